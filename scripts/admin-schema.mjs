// Writes docs/admin.schema.json anew: `npx tsx scripts/admin-schema.mjs`. A test holds the file to src/admin/schema.ts.
import { writeFileSync } from 'node:fs';
import { adminJsonSchema } from '../src/admin/schema.ts';

writeFileSync(new URL('../docs/admin.schema.json', import.meta.url), `${JSON.stringify(adminJsonSchema(), null, 2)}\n`);
