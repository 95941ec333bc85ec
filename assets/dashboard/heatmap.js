// Heat map: every block a square, by group, coloured by what it was last measured as.

import { fitCanvas, setHidden, setText, styled } from './dom.js';
import { fixed, short } from './format.js';
import { METRIC_NAMES, NONE, TOP } from './frame.js';
import { colours, gradient, hatch, isDiverging, paletteOf, shownRange } from './palette.js';
import { t } from './words.js';

const CELL_MAX = 64;
const CELL_MIN = 5;
const LABEL = 20;
const GROUP_GAP = 8;
/** Beyond so many groups their labels would take more room than their blocks. */
const LABELLED_GROUPS_MAX = 40;
const HATCHED = 255;

export class HeatMap {
  metric = 0;
  fits = false;
  #parts;
  #open;
  #layout = null;
  #xs = new Int16Array(0);
  #ys = new Int16Array(0);
  // Where a square stands, for the keys: rows of frame indices, and each index's row.
  #rows = [];
  #rowOf = new Int32Array(0);
  #labels = [];
  #cell = CELL_MAX;
  #size = [0, 0];
  // What is on the canvas: only squares that changed are painted again.
  #painted = new Uint8Array(0);
  #isClean = false;
  #shades = new Uint8Array(256);
  #at = -1;
  #frame = null;
  #hatch = null;

  /** `parts`: canvas, box, mark, status, said, bar, least, middle, most. `open(id)` is called with the block chosen. */
  constructor(parts, open) {
    this.#parts = parts;
    this.#open = open;
    const { box } = parts;
    box.addEventListener('pointermove', (event) => this.#point(this.#hit(event)));
    box.addEventListener('pointerleave', () => { if (document.activeElement !== box) this.#point(-1); });
    box.addEventListener('click', (event) => this.#choose(this.#hit(event)));
    box.addEventListener('keydown', (event) => this.#key(event));
    box.addEventListener('blur', () => this.#point(-1));
  }

  setLayout(layout) {
    this.#layout = layout;
    this.#size = [0, 0];
    this.#at = -1;
  }

  /** Everything is painted again the next time: another metric, theme or language. */
  refresh() {
    this.#isClean = false;
    this.#hatch = null;
    const { bar } = this.#parts;
    bar.style.background = gradient(paletteOf(this.metric));
  }

  nameOf(index) {
    const { groups, group_of, index_of } = this.#layout;
    return `${groups[group_of[index]].name}/${index_of[index]}`;
  }

  has(id) { return this.#layout?.ids.includes(id) ?? false; }

  draw(frame) {
    this.#frame = frame;
    if (!this.#layout || this.#layout.version !== frame.version || this.#layout.ids.length !== frame.shown) return;
    if (!this.#place()) return;
    const range = this.#shade(frame);
    this.#paint(frame.values[this.metric]);
    this.#legend(range);
    this.#tell();
  }

  // --- where squares stand

  #place() {
    const { box, canvas } = this.#parts;
    const [width, height] = [box.clientWidth, box.clientHeight];
    if (width < 60) return false;
    if (width === this.#size[0] && height === this.#size[1]) return true;
    this.#size = [width, height];
    const { group_of: groupOf, groups } = this.#layout;
    const lists = groups.map(() => []);
    groupOf.forEach((group, index) => lists[group].push(index));
    const isLabelled = groups.length <= LABELLED_GROUPS_MAX;
    const sections = isLabelled ? lists : [lists.flat()];
    const tall = (cell) => sections.reduce((sum, list) => sum + (list.length
      ? Math.ceil(list.length / Math.max(1, Math.floor(width / cell))) * cell + (isLabelled ? LABEL + GROUP_GAP : 0) : 0), 0);
    this.#cell = CELL_MAX;
    while (this.#cell > CELL_MIN && tall(this.#cell) > height) this.#cell -= 1;
    this.#lay(sections, isLabelled, Math.max(1, Math.floor(width / this.#cell)));
    fitCanvas(canvas, width, Math.max(tall(this.#cell), 40));
    this.#isClean = false;
    return true;
  }

  #lay(sections, isLabelled, columns) {
    const count = this.#layout.ids.length;
    this.#xs = new Int16Array(count);
    this.#ys = new Int16Array(count);
    this.#rowOf = new Int32Array(count);
    this.#painted = new Uint8Array(count);
    this.#rows = [];
    this.#labels = [];
    let top = 0;
    sections.forEach((list, group) => {
      if (!list.length) return;
      if (isLabelled) {
        this.#labels.push({ top, group, count: list.length });
        top += LABEL;
      }
      for (let from = 0; from < list.length; from += columns) {
        const row = list.slice(from, from + columns);
        row.forEach((index, column) => {
          this.#xs[index] = column * this.#cell;
          this.#ys[index] = top;
          this.#rowOf[index] = this.#rows.length;
        });
        this.#rows.push(row);
        top += this.#cell;
      }
      if (isLabelled) top += GROUP_GAP;
    });
  }

  // --- colours

  // Which shade each byte is, and the range that the shades are of.
  #shade(frame) {
    const [from, to] = [frame.ranges[2 * this.metric], frame.ranges[2 * this.metric + 1]];
    let [low, high] = [0, TOP];
    if (this.fits) {
      [low, high] = [TOP, 0];
      for (const byte of frame.values[this.metric]) {
        if (byte === NONE) continue;
        if (byte < low) low = byte;
        if (byte > high) high = byte;
      }
      if (low > high) [low, high] = [0, TOP];
    }
    const value = (byte) => from + (byte / TOP) * (to - from);
    const [least, most] = shownRange(this.metric, value(low), value(high));
    const span = most - least;
    for (let byte = 0; byte <= TOP; byte += 1) {
      const share = span > 0 ? (value(byte) - least) / span : isDiverging(this.metric) ? 0.5 : 0;
      this.#shades[byte] = Math.round(Math.min(1, Math.max(0, share)) * TOP);
    }
    this.#shades[NONE] = HATCHED;
    return [least, most];
  }

  #paint(values) {
    const { canvas } = this.#parts;
    const context = canvas.getContext('2d');
    const isWhole = !this.#isClean;
    if (isWhole) {
      context.clearRect(0, 0, canvas.width, canvas.height);
      this.#hatch = hatch(context, styled('--hatch'), styled('--panel'));
      this.#label(context);
      this.#isClean = true;
    }
    const palette = colours(paletteOf(this.metric));
    const side = this.#cell - (this.#cell >= 12 ? 2 : 1);
    for (let index = 0; index < values.length; index += 1) {
      const shade = this.#shades[values[index]];
      if (!isWhole && shade === this.#painted[index]) continue;
      this.#painted[index] = shade;
      context.fillStyle = shade === HATCHED ? this.#hatch : palette[shade];
      context.fillRect(this.#xs[index], this.#ys[index], side, side);
    }
  }

  #label(context) {
    context.textBaseline = 'middle';
    for (const { top, group, count } of this.#labels) {
      const { name, kind } = this.#layout.groups[group];
      context.font = `600 12px ${styled('--font')}`;
      context.fillStyle = styled('--text');
      context.fillText(name, 0, top + LABEL / 2 - 1);
      const after = context.measureText(name).width + 8;
      context.font = `12px ${styled('--font')}`;
      context.fillStyle = styled('--muted');
      context.fillText(`${fixed(count)} × ${kind}`, after, top + LABEL / 2 - 1);
    }
  }

  #legend([least, most]) {
    const { least: left, middle, most: right } = this.#parts;
    setText(left, short(least));
    setText(right, short(most));
    setHidden(middle, !isDiverging(this.metric));
    setText(middle, short((least + most) / 2));
  }

  // --- the block pointed at

  #tell() {
    const { status, mark } = this.#parts;
    if (this.#at < 0 || !this.#frame || this.#at >= this.#frame.shown) {
      setHidden(mark, true);
      setText(status, t(this.#frame?.shown ? 'mapHint' : 'mapEmpty'));
      return;
    }
    const value = this.#frame.value(this.metric, this.#at);
    setText(status, `${this.nameOf(this.#at)} · ${t(METRIC_NAMES[this.metric])} ${Number.isNaN(value) ? t('noValue') : short(value)}`);
    setHidden(mark, false);
    mark.style.transform = `translate(${this.#xs[this.#at] - 2}px, ${this.#ys[this.#at] - 2}px)`;
    mark.style.width = `${this.#cell + 2}px`;
    mark.style.height = `${this.#cell + 2}px`;
  }

  #point(index) {
    if (index === this.#at) return;
    this.#at = index;
    this.#tell();
  }

  #hit(event) {
    const { left, top } = this.#parts.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    const row = this.#rows.find((row) => y >= this.#ys[row[0]] && y < this.#ys[row[0]] + this.#cell);
    return row?.[Math.floor(x / this.#cell)] ?? -1;
  }

  #choose(index) {
    if (index >= 0 && index < this.#layout.ids.length) this.#open(this.#layout.ids[index]);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.#rows.length) return;
    if (event.key === 'Enter') {
      this.#choose(this.#at);
    } else {
      const next = this.#step(event.key);
      if (next === undefined) return;
      this.#point(next);
      // Only a step is spoken: the value on screen changes ten times a second.
      setText(this.#parts.said, this.#parts.status.textContent);
      const top = this.#ys[next];
      const { box } = this.#parts;
      if (top < box.scrollTop) box.scrollTop = top;
      else if (top + this.#cell > box.scrollTop + box.clientHeight) box.scrollTop = top + this.#cell - box.clientHeight;
    }
    event.preventDefault();
  }

  #step(key) {
    const row = this.#at < 0 ? 0 : this.#rowOf[this.#at];
    const column = this.#at < 0 ? 0 : this.#rows[row].indexOf(this.#at);
    const last = this.#rows.length - 1;
    const inRow = (to) => this.#rows[to][Math.min(column, this.#rows[to].length - 1)];
    if (this.#at < 0 && key.startsWith('Arrow')) return this.#rows[0][0];
    switch (key) {
      case 'ArrowLeft': return this.#rows[row][column - 1] ?? this.#rows[row - 1]?.at(-1) ?? this.#at;
      case 'ArrowRight': return this.#rows[row][column + 1] ?? this.#rows[row + 1]?.[0] ?? this.#at;
      case 'ArrowUp': return inRow(Math.max(0, row - 1));
      case 'ArrowDown': return inRow(Math.min(last, row + 1));
      case 'Home': return this.#rows[0][0];
      case 'End': return this.#rows[last].at(-1);
      default: return undefined;
    }
  }
}
