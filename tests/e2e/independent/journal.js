// Ids of the broadcasts that were received, one a line, on disk before anybody is told. What makes "exactly once".
'use strict';
const fs = require('node:fs');

class Journal {
  #file;
  #ids;

  constructor(path) {
    this.#ids = new Set(fs.existsSync(path) ? fs.readFileSync(path, 'latin1').split('\n').filter((l) => l.length === 32) : []);
    this.#file = fs.openSync(path, 'a', 0o600);
  }

  has(id) { return this.#ids.has(id); }
  newest(count) { return [...this.#ids].slice(-count).reverse(); }

  add(id) {
    fs.writeSync(this.#file, `${id}\n`);
    fs.fsyncSync(this.#file);
    this.#ids.add(id);
  }
}

module.exports = { Journal };
