import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];

/** A certificate authority for one test: needs the program `openssl` 3. */
export interface TestAuthority {
  /** In PEM. */
  readonly caFile: string;
  /** Signs a certificate for the host names and addresses given as `DNS:localhost`, `IP:127.0.0.1`. */
  issue(name: string, ...hosts: readonly string[]): Promise<{ readonly certFile: string; readonly keyFile: string }>;
}

/** Files go to `folder`, their names beginning with `name`. */
export async function testAuthority(folder: string, name: string): Promise<TestAuthority> {
  const [caFile, caKeyFile] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  await run('openssl', ['req', '-x509', ...key, '-subj', `/CN=${name}`, '-keyout', caKeyFile, '-out', caFile]);
  return {
    caFile,
    async issue(subject, ...hosts) {
      const [certFile, keyFile] = [join(folder, `${subject}.pem`), join(folder, `${subject}.key`)];
      const signed = ['-CA', caFile, '-CAkey', caKeyFile, '-addext', `subjectAltName=${hosts.join()}`];
      await run('openssl', [
        'req',
        '-x509',
        ...key,
        ...signed,
        '-subj',
        `/CN=${subject}`,
        '-keyout',
        keyFile,
        '-out',
        certFile,
      ]);
      return { certFile, keyFile };
    },
  };
}
