import { Flags } from '@oclif/core';
import { BaseCommand } from '../../src/cli/base-command.js';
import { durationFlag } from '../../src/cli/value-flags.js';

const dayMs = 86_400_000;

export default class CertCreate extends BaseCommand {
  static override summary = 'Make a development CA, and certificates for nodes and clients.';

  static override description =
    `Writes ca.pem, ca-key.pem, and NAME.pem and NAME-key.pem for each node and client, which work at once for
mutual TLS. A CA that is in the folder already signs the new ones. Keys are readable by you alone; keep ca-key.pem
away from the machines that run nodes. For certificates of your own authority see docs/security.md.`;

  static override examples = [
    '<%= config.bin %> cert create --out certs',
    {
      description: 'For nodes on other machines',
      command: '<%= config.bin %> cert create --node a,b --host 10.0.0.2,10.0.0.3',
    },
    { description: 'For one more application', command: '<%= config.bin %> cert create --client app' },
  ];

  static override flags = {
    out: Flags.string({ description: 'Folder to write to.', helpValue: 'FOLDER', default: 'certs' }),
    node: Flags.string({
      description: 'Names of nodes. [default: node]',
      helpValue: 'NAME,...',
    }),
    client: Flags.string({
      description: 'Names of clients; what they may do is said in auth.certificates. [default: client]',
      helpValue: 'NAME,...',
    }),
    host: Flags.string({
      description: 'DNS names and addresses under which the nodes are reached, beside localhost, 127.0.0.1 and ::1.',
      helpValue: 'HOST,...',
    }),
    'node-name': Flags.string({
      description: 'The name that makes its holder a node of the cluster; tls.nodeName of all nodes.',
      helpValue: 'NAME',
      default: 'distcache-node',
    }),
    lifetime: durationFlag({
      description: 'How long the certificates are valid, the CA ten times as long. [default: 365d]',
      above: 0,
      example: '90d',
    }),
    overwrite: Flags.boolean({ description: 'Replace certificates that are there; the CA stays.' }),
  };

  protected async execute(): Promise<void> {
    const { flags } = await this.parse(CertCreate);
    const { createCertificates } = await import('../../src/cli/create-certificates.js');
    const { certificatePlan } = await import('../../src/cli/certificate-plan.js');
    const days = (flags.lifetime ?? 365 * dayMs) / dayMs;
    const created = await createCertificates(certificatePlan({ ...flags, nodeName: flags['node-name'], days }));
    const files = [...created.nodes, ...created.clients];
    await this.print(
      {
        ca: created.ca,
        ca_kept: created.caKept,
        nodes: created.nodes,
        clients: created.clients,
      },
      () =>
        [
          `${created.ca}: ${created.caKept ? 'the CA that was there' : 'a new CA'}`,
          ...files.map(({ name, cert, key }) => `${name}: ${cert}, ${key}`),
        ].join('\n'),
    );
    const [node] = created.nodes;
    const [client] = created.clients;
    if (node !== undefined) {
      await this.note(
        `a node:   distcache node start --tls-ca ${created.ca} --tls-cert ${node.cert} --tls-key ${node.key}`,
      );
    }
    if (client !== undefined) {
      await this.note(
        `a client: distcache peers --tls-ca ${created.ca} --tls-cert ${client.cert} --tls-key ${client.key}`,
      );
    }
  }
}
