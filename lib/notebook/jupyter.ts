/**
 * Jupyter in the project: its kernel, its settings and all it writes lie in `.venv`, nothing in the user's home.
 *
 * @module
 */

/** Where Jupyter's parts are, as the variables that it reads. */
export const jupyterEnv = (venv: string): Readonly<Record<string, string>> => ({
  JUPYTER_CONFIG_DIR: `${venv}/jupyter/config`,
  JUPYTER_DATA_DIR: `${venv}/jupyter/data`,
  JUPYTER_RUNTIME_DIR: `${venv}/jupyter/runtime`,
  JUPYTERLAB_SETTINGS_DIR: `${venv}/jupyter/settings`,
  JUPYTERLAB_WORKSPACES_DIR: `${venv}/jupyter/workspaces`,
  JUPYTER_PLATFORM_DIRS: "0",
  JUPYTER_PREFER_ENV_PATH: "1",
  JUPYTER_PATH: `${venv}/share/jupyter`, // before a kernel of the same name that the user has
  JUPYTER_NO_CONFIG: "1",
});

/** What notebooks call their kernel. */
const KERNEL = "deno";

/** Puts the kernel that is this Deno into `.venv`, and JupyterLab's settings: no news, nothing asked of the network. */
export async function installKernel(venv: string, deno: string): Promise<void> {
  await Deno.mkdir(`${venv}/jupyter/runtime`, { recursive: true, mode: 0o700 }); // keys of kernels
  await write(`${venv}/share/jupyter/kernels/${KERNEL}`, "kernel.json", {
    argv: [deno, "jupyter", "--kernel", "--conn", "{connection_file}"],
    display_name: "Quintet (Deno)",
    language: "typescript",
  });
  await write(`${venv}/share/jupyter/lab/settings`, "overrides.json", {
    "@jupyterlab/apputils-extension:notification": {
      checkForUpdates: false,
      doNotDisturbMode: true,
      fetchNews: "false",
    },
  });
}

/** Whole or not at all: several commands may do it at once. */
async function write(folder: string, name: string, content: unknown): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const draft = await Deno.makeTempFile({ dir: folder, prefix: `.${name}-` });
  await Deno.writeTextFile(draft, JSON.stringify(content, null, 2));
  await Deno.rename(draft, `${folder}/${name}`);
}
