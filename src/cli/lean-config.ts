import type { Config } from '@oclif/core';

const noHooks = async () => ({ failures: [], successes: [] });

/** What a command of ours asks of oclif's configuration while it runs; see dispatch() in main.ts. */
export const leanConfig = (root: string): Config => {
  const config: Partial<Config> = {
    bin: 'distcache',
    name: 'distcache',
    root,
    runHook: noHooks,
    scopedEnvVarKeys: (name) => [`DISTCACHE_${name}`],
    scopedEnvVarKey: (name) => `DISTCACHE_${name}`,
  };
  return config as Config;
};
