// Rows: a block's entities as pictures: a square each, how they are distributed, and one of them over time.

import { fitCanvas, setHidden, setText, styled } from './dom.js';
import { short } from './format.js';
import { TOP } from './frame.js';
import { colours, hatch } from './palette.js';

const GRID_HEIGHT = 150;
const CELL_MAX = 20;
const CELL_MIN = 3;
const HISTOGRAM_HEIGHT = 96;
const BINS = 32;
const TRAIL_HEIGHT = 56;

function rangeOf(values) {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return most < least ? [0, 0] : [least, most];
}

/** The canvas cleared, and its width in CSS pixels; 0 while it is not shown. */
function clean(canvas, height) {
  const width = canvas.parentNode.clientWidth;
  if (width < 30) return 0;
  fitCanvas(canvas, width, height);
  canvas.getContext('2d').clearRect(0, 0, width, height);
  return width;
}

/** How values are distributed, in bins of the same width. */
export function histogram(canvas, values) {
  const width = clean(canvas, HISTOGRAM_HEIGHT);
  if (!width) return;
  const context = canvas.getContext('2d');
  const [least, most] = rangeOf(values);
  const bins = new Uint32Array(BINS);
  const span = most - least || 1;
  for (const value of values) if (value >= least) bins[Math.min(BINS - 1, Math.floor(((value - least) / span) * BINS))] += 1;
  const top = Math.max(1, ...bins);
  const base = HISTOGRAM_HEIGHT - 16;
  const step = width / BINS;
  context.fillStyle = styled('--line-1');
  bins.forEach((count, bin) => {
    const height = Math.ceil((count / top) * (base - 4));
    context.fillRect(bin * step, base - height, Math.max(1, step - 1), height);
  });
  context.fillStyle = styled('--grid');
  context.fillRect(0, base, width, 1);
  context.fillStyle = styled('--muted');
  context.font = `11px ${styled('--font')}`;
  context.fillText(short(least), 0, HISTOGRAM_HEIGHT - 3);
  context.textAlign = 'right';
  context.fillText(short(most), width, HISTOGRAM_HEIGHT - 3);
  context.textAlign = 'left';
}

/** The last values of one entity, the newest at the right. */
export function sparkline(canvas, values, count, room) {
  const width = clean(canvas, TRAIL_HEIGHT);
  if (!width) return;
  const context = canvas.getContext('2d');
  const [least, most] = rangeOf(values.subarray(0, count));
  const x = (i) => 3 + ((room - count + i) / (room - 1)) * (width - 6);
  const y = (value) => (most > least ? 4 + (1 - (value - least) / (most - least)) * (TRAIL_HEIGHT - 8) : TRAIL_HEIGHT / 2);
  context.strokeStyle = styled('--line-1');
  context.lineWidth = 1.5;
  context.beginPath();
  let isDown = false;
  for (let i = 0; i < count; i += 1) {
    const isThere = !Number.isNaN(values[i]);
    if (isThere && isDown) context.lineTo(x(i), y(values[i]));
    else if (isThere) context.moveTo(x(i), y(values[i]));
    isDown = isThere;
  }
  context.stroke();
  if (isDown) {
    context.fillStyle = styled('--line-1');
    context.beginPath();
    context.arc(x(count - 1), y(values[count - 1]), 2.5, 0, 2 * Math.PI);
    context.fill();
  }
}

/** A block's entities, a square each, in the order of its rows. */
export class Grid {
  #parts;
  #pick;
  #describe;
  #count = 0;
  #columns = 1;
  #cell = CELL_MAX;
  #at = -1;

  /** `pick(index)` is called with the row chosen; `describe(index)` says what it has. */
  constructor(parts, pick, describe) {
    this.#parts = parts;
    this.#pick = pick;
    this.#describe = describe;
    const { gridBox: box } = parts;
    box.addEventListener('pointermove', (event) => this.#point(this.#hit(event)));
    box.addEventListener('pointerleave', () => { if (document.activeElement !== box) this.#point(-1); });
    box.addEventListener('blur', () => this.#point(-1));
    box.addEventListener('click', (event) => { const at = this.#hit(event); if (at >= 0) pick(at); });
    box.addEventListener('keydown', (event) => this.#key(event));
  }

  draw(values, isBroken, chosen) {
    const { grid } = this.#parts;
    const width = this.#parts.gridBox.clientWidth;
    if (width < 30) return;
    this.#count = values.length;
    this.#cell = CELL_MAX;
    while (this.#cell > CELL_MIN && Math.ceil(values.length / Math.floor(width / this.#cell)) * this.#cell > GRID_HEIGHT) this.#cell -= 1;
    this.#columns = Math.floor(width / this.#cell);
    clean(grid, Math.max(1, Math.ceil(values.length / this.#columns)) * this.#cell + 2);
    const context = grid.getContext('2d');
    const palette = colours('viridis');
    const hatched = hatch(context, styled('--hatch'), styled('--panel'));
    const [least, most] = rangeOf(values);
    const side = this.#cell - 1;
    values.forEach((value, index) => {
      const [x, y] = this.#place(index);
      const share = most > least ? (value - least) / (most - least) : 0;
      context.fillStyle = Number.isNaN(value) ? hatched : palette[Math.round(share * TOP)];
      context.fillRect(x, y, side, side);
      // A cut-out corner: one that failed stays readable by its value.
      if (isBroken(index)) {
        context.fillStyle = styled('--bad');
        context.fillRect(x, y, Math.ceil(side / 2), Math.ceil(side / 2));
      }
      if (index === chosen) {
        context.strokeStyle = styled('--text');
        context.lineWidth = 2;
        context.strokeRect(x, y, side, side);
      }
    });
    this.#tell();
  }

  #place(index) { return [1 + (index % this.#columns) * this.#cell, 1 + Math.floor(index / this.#columns) * this.#cell]; }

  #hit(event) {
    const { left, top } = this.#parts.grid.getBoundingClientRect();
    const column = Math.floor((event.clientX - left - 1) / this.#cell);
    const index = Math.floor((event.clientY - top - 1) / this.#cell) * this.#columns + column;
    return column >= 0 && column < this.#columns && index >= 0 && index < this.#count ? index : -1;
  }

  #point(index) {
    this.#at = index;
    this.#tell();
  }

  #tell() {
    const { gridMark: mark, gridStatus: status } = this.#parts;
    const isThere = this.#at >= 0 && this.#at < this.#count;
    setHidden(mark, !isThere);
    setText(status, isThere ? this.#describe(this.#at) : '\u00a0');
    if (!isThere) return;
    const [x, y] = this.#place(this.#at);
    mark.style.transform = `translate(${x - 2}px, ${y - 2}px)`;
    mark.style.width = mark.style.height = `${this.#cell + 3}px`;
  }

  #key(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.#columns, ArrowDown: this.#columns };
    if (event.key === 'Enter' && this.#at >= 0) this.#pick(this.#at);
    else if (event.key in steps && this.#count) {
      this.#point(this.#at < 0 ? 0 : Math.min(this.#count - 1, Math.max(0, this.#at + steps[event.key])));
      setText(this.#parts.said, this.#parts.gridStatus.textContent);
    } else return;
    event.preventDefault();
  }
}
