import { expect } from 'chai';
import { codeOf, messageOf } from '../../../../src/base/errors.js';
import { natsDiscovery } from '../../../../src/discovery/nats/discovery.js';
import { type NatsOptions, natsSettings } from '../../../../src/discovery/nats/settings.js';
import { silent } from '../../../../src/ports/log.js';
import { FakeClock } from '../../../support/fake-clock.js';

const options = (changed: object): NatsOptions => ({ servers: ['nats://127.0.0.1:4222'], subject: 'a.b', ...changed });
const thrown = (body: () => unknown): unknown => {
  try {
    body();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('settings of discovery over NATS', () => {
  for (const [text, shown] of [
    ['nats://10.0.0.1', 'nats://10.0.0.1:4222'],
    ['nats.example:4333', 'nats://nats.example:4333'],
    ['localhost', 'nats://localhost:4222'],
    ['tls://nats.example/', 'tls://nats.example:4222'],
    ['nats://[::1]:4333', 'nats://[::1]:4333'],
    ['nats://user:pass@10.0.0.1:1', 'nats://10.0.0.1:1'],
  ] as const) {
    it(`server ${text} is shown as ${shown}`, () => {
      expect(natsSettings(options({ servers: [text] })).servers[0]!.shown).to.equal(shown);
    });
  }

  it('takes the user from the URL, or a token', () => {
    const { servers } = natsSettings(options({ servers: ['nats://u:p%40ss@h', 'nats://t0ken@h', 'h'] }));
    expect(servers.map(({ login }) => login)).to.deep.equal([
      { user: 'u', password: 'p@ss' },
      { token: 't0ken' },
      undefined,
    ]);
  });

  it('asks for TLS where the URL or the settings do', () => {
    const mustTls = (changed: object): readonly boolean[] =>
      natsSettings(options(changed)).servers.map((s) => s.mustTls);
    expect(mustTls({ servers: ['tls://h', 'nats://h'] })).to.deep.equal([true, false]);
    expect(mustTls({ servers: ['nats://h'], tls: { ca: 'PEM' } })).to.deep.equal([true]);
  });

  for (const [title, changed, field] of [
    ['no servers', { servers: [] }, 'servers'],
    ['a server of another kind', { servers: ['ws://h'] }, 'servers[0]'],
    ['a server with a path', { servers: ['h', 'nats://h/x'] }, 'servers[1]'],
    ['a server with port 0', { servers: ['nats://h:0'] }, 'servers[0]'],
    ['a server that is no text', { servers: [7] }, 'servers[0]'],
    ['no subject', { subject: '' }, 'subject'],
    ['a subject with a wildcard', { subject: 'a.*' }, 'subject'],
    ['a subject that ends in >', { subject: 'a.>' }, 'subject'],
    ['a subject with a space', { subject: 'a b' }, 'subject'],
    ['a subject with a line break', { subject: 'a\r\nPUB x 0' }, 'subject'],
    ['a subject with an empty part', { subject: 'a..b' }, 'subject'],
    ['a subject of NATS itself', { subject: '$SYS.x' }, 'subject'],
    ['a time-out of nothing', { timeout: 0 }, 'timeout'],
    ['a time-out that is none', { timeout: 'soon' }, 'timeout'],
    ['a user without a password', { credentials: { user: 'u' } }, 'credentials'],
    ['a token and a user', { credentials: { token: 's3cret', user: 'u', password: 's3cret' } }, 'credentials'],
    ['an empty token', { credentials: { token: '' } }, 'credentials.token'],
    ['a certificate without its key', { tls: { cert: 'PEM' } }, 'tls'],
  ] as const) {
    it(`${title} is refused, with the field named`, () => {
      const error = thrown(() => natsSettings(options(changed)));
      expect(codeOf(error)).to.equal('INVALID_ARGUMENT');
      expect(messageOf(error)).to.include(`discovery.nats.${field}`).and.not.to.include('s3cret');
    });
  }

  for (const server of [
    'nats://u:s3cret@',
    'http://u:s3cret@h',
    'u:s3cret@h:x',
    'nats://u:s3@s3cret@h/path',
    'nats://u:s3cret%@h',
  ]) {
    it(`no password is shown of ${server}`, () => {
      const error = thrown(() => natsSettings(options({ servers: [server] })));
      expect(codeOf(error)).to.equal('INVALID_ARGUMENT');
      expect(messageOf(error)).not.to.include('s3');
    });
  }

  describe('start refuses', () => {
    for (const [title, changed, gossip, field] of [
      ['a bad subject', { subject: '>' }, '10.0.0.1:1', /subject/],
      [
        'credentials that cannot be read',
        { credentials: { credentials: 's3cret' } },
        '10.0.0.1:1',
        /credentials\.credentials/,
      ],
      ['an nkey that is none', { credentials: { nkey: 's3cret' } }, '10.0.0.1:1', /credentials\.nkey/],
      ['a node without an address that others reach', {}, '0.0.0.0:1', /gossip/],
    ] as const) {
      it(title, async () => {
        const clock = new FakeClock();
        const discovery = natsDiscovery(options(changed));
        const random = { next: () => 0, fork: () => random, id: () => '0'.repeat(16) };
        const error = await discovery
          .start({ clock, random, log: silent, self: { name: 'a', gossip } }, { deadlineMs: 1000 })
          .catch((reason: unknown) => reason);
        expect(codeOf(error)).to.equal('INVALID_ARGUMENT');
        expect(messageOf(error)).to.match(field).and.not.to.include('s3cret');
        await discovery.stop({ deadlineMs: 1000 });
        expect(clock.pending()).to.equal(0);
      });
    }
  });
});
