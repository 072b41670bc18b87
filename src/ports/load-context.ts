/**
 * Which keys' loaders the current asynchronous call chain is inside of, so that a loader that asks the engine for a key
 * it is itself loading gets an error instead of waiting for itself.
 */
export interface LoadContext {
  /** Names of the loads around the current call, outermost first; empty outside of any loader. */
  current(): readonly string[];
  /** Runs `body`, and all it starts, inside the given loads. */
  run<T>(loading: readonly string[], body: () => T): T;
}
