import { createDataSource } from '../../src/connectors/registry.js';
import type { DataSource } from '../../src/ports/data-source.js';
import { TestPostgresServer } from '../support/postgres-server.js';
import { needs } from '../support/servers.js';
import { contextOf } from '../unit/connectors/harness.js';
import { dataSourceContract, maxValueBytes } from './data-source.contract.js';

describe('a PostgreSQL server', () => {
  let server: TestPostgresServer;

  before(async function () {
    needs(this, 'postgres', 'postgresql');
    this.timeout(60_000);
    server = await TestPostgresServer.started();
    await server.sql('create table item (id text primary key, value bytea not null)');
  });
  after(() => server?.close());

  for (const prepare of [true, false]) {
    dataSourceContract(`postgres${prepare ? '' : ', unprepared'}`, async () => {
      await server.sql('truncate item');
      const again = (): Promise<DataSource> =>
        createDataSource(
          { type: 'postgres', url: server.url(), query: 'select value from item where id = $1', prepare },
          contextOf({ maxValueBytes }),
        );
      return {
        source: await again(),
        set: async (key, value) => {
          const upsert = 'insert into item values ($1, $2) on conflict (id) do update set value = excluded.value';
          await server.sql(upsert, [key, Buffer.from(value)]);
        },
        remove: async (key) => void (await server.sql('delete from item where id = $1', [key])),
        holds: (key) => !key.includes('\0'),
        down: () => server.kill(),
        up: () => server.start(),
        silence: async () => void (await server.sql('begin; lock table item in access exclusive mode')),
        speak: async () => void (await server.sql('rollback')),
        named: /postgres at 127\.0\.0\.1:\d+ /,
        secrets: [server.password],
        again,
        close: async () => {},
      };
    });
  }
});
