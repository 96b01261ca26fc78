/** One number for each second of run time, in a typed array that grows by doubling. Missing is NaN inside and null outside. */

export class Column {
  #values = new Float64Array(64).fill(NaN);

  set(second: number, value: number | null) {
    if (second >= this.#values.length) this.#grow(second);
    this.#values[second] = value ?? NaN;
  }

  get(second: number): number | null {
    const value = this.#values[second];
    return value === undefined || Number.isNaN(value) ? null : value;
  }

  /** The values of `from..to` (end excluded) as the charts want them. */
  slice(from: number, to: number): (number | null)[] {
    const out = new Array<number | null>(Math.max(0, to - from));
    for (let i = 0; i < out.length; i++) out[i] = this.get(from + i);
    return out;
  }

  clear() {
    this.#values.fill(NaN);
  }

  #grow(second: number) {
    const bigger = new Float64Array(2 ** Math.ceil(Math.log2(second + 1))).fill(NaN);
    bigger.set(this.#values);
    this.#values = bigger;
  }
}

/** Columns by name, made when a name first appears; names keep the order of appearance. */
export class Columns {
  #byName = new Map<string, Column>();
  #known = new Column();
  #end = 0;

  get names(): string[] {
    return [...this.#byName.keys()];
  }

  /** A name that nobody has told of is an empty column. */
  get(name: string): Column {
    return this.#byName.get(name) ?? EMPTY;
  }

  /** Replaces all that is known of a second; there was none of a name that `values` lacks. */
  set(second: number, values: Record<string, number>) {
    for (const name of Object.keys(values)) if (!this.#byName.has(name)) this.#byName.set(name, this.#none());
    for (const [name, column] of this.#byName) column.set(second, values[name] ?? 0);
    this.#known.set(second, 0);
    this.#end = Math.max(this.#end, second + 1);
  }

  clear() {
    this.#byName.clear();
    this.#known.clear();
    this.#end = 0;
  }

  /** A new column: zero in all seconds that were told of before its name appeared. */
  #none(): Column {
    const column = new Column();
    for (let second = 0; second < this.#end; second++) column.set(second, this.#known.get(second));
    return column;
  }
}

const EMPTY = new Column();
