import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.js';

/** Their values are checked together with the config file's, so that both are refused in the same words. */
const text = (description: string, helpValue: string, env?: string) =>
  Flags.string({ description, helpValue, ...(env === undefined ? {} : { env }) });

export default class NodeStart extends BaseCommand {
  static override summary = 'Run a node in the foreground.';

  static override description = `When the node serves, exactly one line appears on stdout; logs go to stderr.
SIGTERM or SIGINT drains and leaves the cluster; a second signal ends at once.`;

  static override examples = [
    '<%= config.bin %> node start --config distcache.yaml',
    '<%= config.bin %> node start --bind-port 0 --json',
    { description: 'A node that others may join', command: '<%= config.bin %> node start --discovery-port 3322' },
    { description: 'One that joins it', command: '<%= config.bin %> node start --peers 10.0.0.2:3322' },
  ];

  static override readonly ownsSignals = true;

  static override flags = {
    config: Flags.string({ description: 'Config file, YAML or JSON.', helpValue: 'FILE', env: 'DISTCACHE_CONFIG' }),
    name: text('Unique in the cluster and kept over restarts. [default: hostname-port]', 'NAME'),
    'bind-addr': text('Address to listen on. [default: 127.0.0.1]', 'HOST'),
    'bind-port': text('Port for clients and peers; 0 takes a free one. [default: 3320]', 'PORT'),
    'discovery-port': text('Port for gossip, UDP and TCP; 0 takes a free one. [default: 3322]', 'PORT'),
    'admin-addr': text(
      'Address of the admin endpoints. [default: 127.0.0.1:3321, or a free port where that is taken]',
      'HOST:PORT|off',
    ),
    label: text('Nodes with another label never join.', 'TEXT'),
    discovery: text(
      'How nodes find each other; dns, nats and kubernetes need their section in the config file. [default: static with --peers or --discovery-port, else standalone]',
      'standalone|static|dns|nats|kubernetes',
    ),
    peers: text("Other nodes' gossip, for static discovery; port 3322 without one.", 'HOST[:PORT],...'),
    workers: text('Processes that share the work (more than one: later release). [default: 1]', 'N'),
    'log-level': text('Least level that is logged. [default: info]', 'debug|info|warn|error'),
    'log-format': text('[default: pretty on a terminal, json elsewhere]', 'pretty|json'),
    'tls-ca': text('Authorities that other nodes and callers must come from, PEM.', 'FILE'),
    'tls-cert': text('Certificate of this node, PEM; with it the node speaks TLS alone.', 'FILE'),
    'tls-key': text('Private key of --tls-cert, PEM.', 'FILE'),
    'tls-client-auth': text('Whether callers must show a certificate. [default: require]', 'none|request|require'),
    insecure: Flags.boolean({ description: 'Listen where others can reach it, though nothing protects the node.' }),
  };

  protected async execute(): Promise<void> {
    const { flags } = await this.parse(NodeStart);
    const { config: file, json, ...nodeFlags } = flags;
    const { runNode } = await import('../../src/cli/run-node.js');
    await runNode({
      file,
      flags: nodeFlags,
      stderrIsTerminal: this.terminal.stderr.isTerminal,
      onReady: ({ node, grpc, admin, gossip }) =>
        this.print(
          { ready: true, node, grpc, admin, gossip, pid: process.pid },
          () => `ready node=${node} grpc=${grpc} admin=${admin} gossip=${gossip}`,
        ),
    });
  }
}
