/**
 * The one server that every system of `bench search` asks: the embedded model behind OpenAI's API, with a count.
 *
 * What waits is ordered by common prefix, for everybody alike.
 *
 * @module
 */
import type { FirstToken, LanguageModel, Message } from "../../lib/llm/mod.ts";

/** What a server counted since it was opened. */
export interface Count {
  readonly calls: number;
  readonly tokens: { readonly prompt: number; readonly completion: number };
  /** Seconds from the first request to the last answer. */
  readonly span: number;
  /** Requests that the model refused, such as prompts that are too long. */
  readonly refused: number;
}

/** A server that counts, on a port of its own. */
export interface CountingServer extends AsyncDisposable {
  readonly url: string;
  count(): Count;
}

/** As OpenAI's API lists them. */
const listed = ({ said: token, likely }: FirstToken) => ({
  token,
  top_logprobs: Object.entries(likely).map(([token, logprob]) => ({ token, logprob })),
});

/**
 * Serves `model` at `URL/v1/chat/completions`, and its tokens at `URL/tokenize` as llama.cpp does; it is told of choices as
 * vLLM is. What is asked beyond `most` calls is refused.
 */
export function countingServer(
  model: LanguageModel,
  { most = Infinity }: { most?: number } = {},
): CountingServer {
  let calls = 0, refused = 0, first = 0, last = 0;
  const tokens = { prompt: 0, completion: 0 };
  const count = (): Count => ({ calls, refused, span: (last - first) / 1000, tokens: { ...tokens } });
  const error = (status: number, message: string) =>
    Response.json({ error: { message, type: "invalid_request_error", code: null } }, { status });

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/count") return Response.json(count());
    if (pathname === "/tokenize" && model.tokensOf) {
      const tokens = await model.tokensOf((await request.json()).content) ?? [];
      return Response.json({ tokens: tokens.map(Number) });
    }
    if (pathname !== "/v1/chat/completions") return error(404, `Nothing is at ${pathname}`);
    const {
      messages,
      max_tokens,
      max_completion_tokens,
      temperature = 0,
      logprobs,
      logit_bias,
      structured_outputs,
    } = await request.json();
    if (calls >= most) return error(400, `All of the ${most} calls were made`);
    if (calls++ === 0) first = performance.now();
    try {
      const { text, finish, usage, firsts } = await model.complete({
        messages: messages as Message[],
        temperature,
        maxTokens: max_completion_tokens ?? max_tokens ?? 256,
        ...logprobs === true ? { firsts: true } : {},
        ...logit_bias ? { bias: logit_bias } : {},
        ...structured_outputs ? { choices: structured_outputs.choice } : {},
      });
      tokens.prompt += usage?.promptTokens ?? 0;
      tokens.completion += usage?.completionTokens ?? 0;
      return Response.json({
        ...{ id: "chatcmpl", object: "chat.completion", created: 0, model: "local" },
        choices: [{
          ...{ index: 0, message: { role: "assistant", content: text.trim() }, finish_reason: finish },
          ...firsts ? { logprobs: { content: firsts.map(listed) } } : {},
        }],
        usage: {
          prompt_tokens: usage?.promptTokens ?? 0,
          completion_tokens: usage?.completionTokens ?? 0,
          total_tokens: (usage?.promptTokens ?? 0) + (usage?.completionTokens ?? 0),
        },
      });
    } catch (thrown) {
      refused++;
      return error(400, (thrown as Error).message);
    } finally {
      last = performance.now();
    }
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    count,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
