/**
 * How a command ends: a documented exit code, and for every expected failure one message without a stack.
 *
 * @module
 */

/** The exit codes that scripts and schedulers rely on. */
export const EXIT = {
  done: 0,
  internal: 1,
  /** Wrong flags, configuration, dataset, or a machine that lacks something. */
  usage: 2,
  /** The budget ended the run before the target; the best prompt was still printed. */
  budget: 3,
  /** A model's provider did not answer, or refused, or none of what a model said could be read as a grade, or it said nothing. */
  provider: 4,
  /** The database could not be started or reached. */
  database: 5,
  /** `--require-target` was given and the target was not reached. */
  target: 100,
  /** The user or the system ended the run (SIGINT, SIGTERM); what it found was printed, and `--resume` goes on. */
  interrupted: 130,
} as const;

/** Names of errors that say all there is to say, and the code each stands for. */
const EXPECTED: Readonly<Record<string, number>> = {
  UsageError: EXIT.usage,
  BackupError: EXIT.usage,
  DatasetError: EXIT.usage,
  HeldError: EXIT.usage,
  SetupError: EXIT.usage,
  UnusableModelError: EXIT.usage,
  ProviderError: EXIT.provider,
  PrefectError: EXIT.provider,
  DatabaseError: EXIT.database,
};

/**
 * Runs a command and gives its exit code. An expected error is told in its own words, with its `fix` when it has one;
 * any other is a fault of ours and is told with its stack.
 */
export async function outcome(command: () => Promise<number>, tell: (text: string) => void): Promise<number> {
  try {
    return await command();
  } catch (error) {
    const code = error instanceof Error ? EXPECTED[error.name] : undefined;
    if (code === undefined) {
      tell(`This is a fault of Quintet, please report it:\n${error instanceof Error ? error.stack : error}`);
      return EXIT.internal;
    }
    const { message, fix } = error as Error & { fix?: string };
    tell(fix && !message.includes(fix) ? `${message}\n${fix}` : message);
    return code;
  }
}
