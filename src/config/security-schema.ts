import { z } from 'zod';
import { rights } from '../access/rights.js';
import { leaf, section } from './leaf.js';
import { defaults, ranges } from './ranges.js';
import * as scalar from './scalars.js';

/** The sections `tls` and `auth`: who is let in, and what for. */

const list = <T extends z.ZodType>(doc: string, element: T) =>
  z.array(element).max(ranges.listLengthMax).meta({ description: doc });
const path = scalar.text('a path');

export const tlsFiles = () => ({
  ca: leaf(path, {
    doc: 'Certificate authorities that other nodes and callers must come from (PEM). Left out: those that the machine trusts.',
    examples: ['ca.pem'],
  }).optional(),
  cert: leaf(path, {
    doc: 'Certificate of this node, with those between it and the authority (PEM).',
    examples: ['node.pem'],
  }).optional(),
  key: leaf(path, { doc: 'Private key of cert (PEM, without a passphrase).', examples: ['node-key.pem'] }).optional(),
  clientAuth: leaf(scalar.oneOf(['none', 'request', 'require']), {
    doc: 'Whether callers must show a certificate from an authority in ca.',
    standard: 'require',
  }).optional(),
});

export const tls = () =>
  section('Encryption between nodes and with clients. The files are read again when they change.', {
    ...tlsFiles(),
    nodeName: leaf(scalar.host, {
      doc: 'Name in a certificate that makes its holder a node of this cluster. The same on all nodes.',
      standard: defaults.nodeName,
    }).optional(),
  });

const grant = () => ({
  allow: list(
    'What the caller may do: read keys and look at nodes; write and delete keys; change keyspaces and nodes.',
    leaf(scalar.oneOf(rights), { doc: 'A right.' }),
  ),
  keyspaces: list(
    'Keyspaces that the rights are for. Left out: all, and the nodes themselves.',
    leaf(scalar.keyspaceName, { doc: 'A keyspace.' }),
  ).optional(),
});

export const auth = () =>
  section('Who may do what. Left out: whoever can connect may do everything.', {
    tokens: list(
      'Callers that show a token.',
      section('A caller.', {
        name: leaf(scalar.nodeName, { doc: 'Shown in logs.' }),
        token: leaf(scalar.token, {
          doc: 'What the caller shows: openssl rand -hex 32 makes a good one.',
          // biome-ignore lint/suspicious/noTemplateCurlyInString: this is what users write
          examples: ['${CI_TOKEN}'],
        }).optional(),
        tokenFile: leaf(path, {
          doc: 'File that holds the token, instead; read again when it changes.',
          examples: ['/run/secrets/ci-token'],
        }).optional(),
        ...grant(),
      }),
    ).optional(),
    certificates: list(
      'Callers that show a certificate from an authority in tls.ca.',
      section('A caller.', {
        name: leaf(scalar.text('a name'), { doc: 'A DNS name in the certificate, or its common name.' }),
        ...grant(),
      }),
    ).optional(),
  });
