#!/usr/bin/env node
// Plain old JavaScript without import or export statements, so that a Node below the floor still parses it and can say so.
(() => {
  var wanted = '22.15';
  var has = process.versions.node.split('.').map(Number);
  if (has[0] < 22 || (has[0] === 22 && has[1] < 15)) {
    process.stderr.write(
      `Error: distcache needs Node ${wanted} or newer, this is ${process.versions.node}; install one from https://nodejs.org\n`,
    );
    process.exit(1);
  }
  var modules = process.getBuiltinModule('node:module');
  var path = process.getBuiltinModule('node:path');
  var fs = process.getBuiltinModule('node:fs');
  var vm = process.getBuiltinModule('node:vm');
  // The script's real place: npm links to it from node_modules/.bin.
  var root = path.dirname(path.dirname(fs.realpathSync(process.argv[1])));
  var folder = path.join(root, 'dist', 'cli');
  var file = path.join(folder, 'main.cjs');
  var stats = fs.statSync(file, { throwIfNoEntry: false });
  if (stats === undefined) {
    process.stderr.write(
      `Error: ${file} is missing, since this checkout was not built; run npm run build in ${root}\n`,
    );
    process.exit(1);
  }
  // Node tells of what is experimental in itself at every start; that is for us to know, not for whoever runs this.
  var emitWarning = process.emitWarning;
  process.emitWarning = function (warning) {
    var ours = /^(SQLite|vm\.USE_MAIN_CONTEXT_DEFAULT_LOADER) is an experimental feature/;
    // biome-ignore lint/complexity/noArguments: handed on as they are, however many
    if (!ours.test(String(warning))) emitWarning.apply(process, arguments);
  };
  modules.enableCompileCache();

  // A third of the time that a short command takes would be spent on compiling functions. Node's own compile cache keeps
  // those that are compiled at once on loading; V8's code cache, taken at the end of a run, keeps all that the run used.
  // It lies beside the bundle, where only those can write who can change the bundle too. V8 tells another release's cache
  // from its own, yet compares only lengths of sources: hence the time in the name.
  var cache = `${file}.${process.version}-${process.arch}-${stats.size}-${Math.round(stats.mtimeMs)}.cache`;
  var cachedData = readIfThere(cache);
  var script = new vm.Script(
    // The bundle is ASCII: read byte by byte, no character needs decoding.
    `(function (exports, require, module, __filename, __dirname) {${fs.readFileSync(file, 'latin1')}\n})`,
    {
      filename: file,
      cachedData: cachedData,
      importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    },
  );
  // `get` is the command that scripts call most, and what it uses all of them use.
  if (process.argv[2] === 'get' && cachedData === undefined) {
    process.on('exit', (code) => {
      if (code === 0) writeIfAllowed(cache, script.createCachedData());
    });
  }
  var main = { exports: {} };
  script.runInThisContext()(main.exports, modules.createRequire(file), main, file, folder);
  main.exports.run(process.argv.slice(2), root);

  function readIfThere(name) {
    try {
      return fs.readFileSync(name);
    } catch (_error) {
      return undefined;
    }
  }

  function writeIfAllowed(name, bytes) {
    var unfinished = `${name}.${process.pid}`;
    try {
      fs.writeFileSync(unfinished, bytes);
      fs.renameSync(unfinished, name);
    } catch (_error) {
      // Installed by another user, or on a read-only disk: it works without.
    }
  }
})();
