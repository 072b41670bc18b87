#!/usr/bin/env node
// Plain old JavaScript without import or export statements, so that a Node below the floor still parses it and can say so.
(() => {
  var wanted = '22.15';
  var has = process.versions.node.split('.').map(Number);
  if (has[0] < 22 || (has[0] === 22 && has[1] < 15)) {
    process.stderr.write(
      'Error: distcache needs Node ' +
        wanted +
        ' or newer, this is ' +
        process.versions.node +
        '; install one from https://nodejs.org\n',
    );
    process.exit(1);
  }
  var modules = process.getBuiltinModule('node:module');
  var path = process.getBuiltinModule('node:path');
  var fs = process.getBuiltinModule('node:fs');
  modules.enableCompileCache();
  // The script's real place: npm links to it from node_modules/.bin.
  var script = fs.realpathSync(process.argv[1]);
  var root = path.dirname(path.dirname(script));
  var entry = path.join(root, 'dist', 'cli', 'main.cjs');
  if (!fs.existsSync(entry)) {
    process.stderr.write(
      `Error: ${entry} is missing, since this checkout was not built; run npm run build in ${root}\n`,
    );
    process.exit(1);
  }
  modules.createRequire(script)(entry).run(process.argv.slice(2), root);
})();
