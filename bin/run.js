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
  process.getBuiltinModule('node:module').enableCompileCache();
  var path = process.getBuiltinModule('node:path');
  var fs = process.getBuiltinModule('node:fs');
  // The script's real place: npm links to it from node_modules/.bin.
  var root = path.dirname(path.dirname(fs.realpathSync(process.argv[1])));
  var entry = path.join(root, 'dist', 'cli', 'main.js');
  if (!fs.existsSync(entry)) {
    process.stderr.write(
      `Error: ${entry} is missing, since this checkout has not been built; run npm run build in ${root}\n`,
    );
    process.exit(1);
  }
  // Written so that no parser of before dynamic import meets it.
  var load = new Function('url', 'return import(url)');
  load(process.getBuiltinModule('node:url').pathToFileURL(entry).href)
    .then((cli) => cli.main(process.argv.slice(2), root))
    .catch((error) => {
      process.stderr.write(`Error: ${error.message}; the build may be broken, run npm run build in ${root}\n`);
      process.exit(1);
    });
})();
