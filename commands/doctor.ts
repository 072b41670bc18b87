import { dirname, resolve } from 'node:path';
import { Flags } from '@oclif/core';
import { BaseCommand } from '../src/cli/base-command.js';
import { readConfigText } from '../src/cli/config-file.js';
import { connectionFlags, connectionOf, defaultAddress } from '../src/cli/connection-flags.js';
import { doctorJson, doctorText } from '../src/cli/doctor-view.js';
import { exitCodes } from '../src/cli/exit-codes.js';
import { systemClock } from '../src/platform/clock.js';
import { totalMemoryBytes } from '../src/platform/machine.js';

export default class Doctor extends BaseCommand {
  static override summary = 'Look for what is unsafe or amiss, and say what to mend.';
  static override description =
    `With --config: the file, who could get at the node, certificates and keys, tokens and secrets, permissions of files,
whether the data sources open (no server is asked, no module run),
ports, discovery, memory and open files of this machine. Run it where the node runs.

Then the cluster: members and their reach, releases, keyspaces, circuits, clocks, gossip, and what a stranger is told. It
is asked at --addr, else where the config says, with what the config holds where no token or certificate is given.

It changes nothing and announces nothing. Exits with 7 when something fails, with 0 when there are warnings at most.`;
  static override examples = [
    '<%= config.bin %> doctor --config distcache.yaml',
    { description: 'A cluster alone', command: '<%= config.bin %> doctor --addr 10.0.0.2:3320 --tls-ca ca.pem' },
    {
      description: 'What there is to mend, for scripts',
      command: "<%= config.bin %> doctor --json | jq '.checks[] | select(.mend)'",
    },
  ];
  static override flags = {
    config: Flags.string({ description: 'Config file, YAML or JSON.', helpValue: 'FILE', env: 'DISTCACHE_CONFIG' }),
    ...connectionFlags,
  };

  protected async execute(): Promise<void> {
    const { flags } = await this.parse(Doctor);
    const { config: file, ...connection } = flags;
    const { addresses, ...given } = await connectionOf(connection);
    const config =
      file === undefined ? undefined : { file, text: await readConfigText(file), baseDir: dirname(resolve(file)) };
    const { examine } = await import('../src/doctor/examine.js');
    const checks = await examine({
      config,
      given: { ...given, addresses: flags.addr === undefined ? undefined : addresses },
      defaultAddress,
      env: process.env,
      totalMemoryBytes: totalMemoryBytes(),
      clock: systemClock,
      signal: this.signal,
    });
    const report = doctorJson(checks);
    await this.print(report, doctorText);
    if (!report.healthy) process.exitCode = exitCodes.findings;
  }
}
