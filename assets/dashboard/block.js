// Block: what a block is, its rows as a picture and as a table, and one entity followed over time.

import * as api from './api.js';
import { fitCanvas, keyed, make, setData, setHidden, setText } from './dom.js';
import { fixed, percent, short } from './format.js';
import { Grid, histogram, sparkline } from './rows.js';
import { known, t } from './words.js';

/** Reading rows costs the engine a copy of the block between two ticks. */
const EVERY_MS = 1000;
const PAGE = 200;
/** Values of the entity followed. */
const KEPT = 120;

const columnName = (column) => known(column, 'col_');

export class BlockView {
  /** The block shown, or null. */
  id = null;
  isPaused = false;
  #parts;
  #gone;
  #told = null;
  #timer = 0;
  #column = 'value';
  #sort = { column: 'id', isDown: false };
  #page = 0;
  #order = [];
  #grid;
  #entity = null;
  #trail = new Float32Array(KEPT);
  #trailCount = 0;

  /** `gone(id)` is called when there is no such block. */
  constructor(parts, gone) {
    this.#parts = parts;
    this.#gone = gone;
    this.#grid = new Grid(parts, (index) => this.#follow(this.#told.rows[index][0]), (index) => this.#describe(index));
    parts.column.addEventListener('change', () => { this.#column = parts.column.value; this.draw(); });
    parts.previous.addEventListener('click', () => { this.#page -= 1; this.#table(); });
    parts.next.addEventListener('click', () => { this.#page += 1; this.#table(); });
    document.addEventListener('visibilitychange', () => { if (!document.hidden && this.id !== null) this.#read(); });
  }

  open(id) {
    if (id === this.id) return;
    this.id = id;
    this.#told = null;
    this.#page = 0;
    this.#follow(null);
    setText(this.#parts.title, `${t('block')} ${id}`);
    setHidden(this.#parts.body, true);
    this.#read();
  }

  close() {
    this.id = null;
    this.#told = null;
    clearTimeout(this.#timer);
  }

  async #read() {
    clearTimeout(this.#timer);
    const id = this.id;
    let told = null;
    if (!this.isPaused || !this.#told) {
      try {
        told = await api.block(id);
      } catch (error) {
        if (id !== this.id) return;
        if (error.status === 404) {
          this.#gone(id);
          return;
        }
        setText(this.#parts.read, error.status ? error.message : t('unreachable'));
      }
    }
    if (id !== this.id) return;
    if (told) this.#take(told);
    clearTimeout(this.#timer);
    if (!document.hidden) this.#timer = setTimeout(() => this.#read(), EVERY_MS);
  }

  #take(told) {
    this.#told = told;
    if (!told.columns.includes(this.#column) || this.#column === 'id') this.#column = told.columns[1] ?? 'id';
    if (!told.columns.includes(this.#sort.column)) this.#sort = { column: 'id', isDown: false };
    if (this.#entity !== null) this.#remember();
    this.draw();
  }

  #at(column) { return this.#told.columns.indexOf(column); }

  draw() {
    const { parts, told } = { parts: this.#parts, told: this.#told };
    if (!told) return;
    setHidden(parts.body, false);
    this.#facts(told);
    setText(parts.read, t('rowsRead', { tick: fixed(told.tick) }));
    const columns = told.columns.filter((column) => column !== 'id');
    keyed(parts.column, columns, String, (column) => make('option', { value: column }), (node, column) => setText(node, columnName(column)));
    parts.column.value = this.#column;
    const at = this.#at(this.#column);
    const values = Float64Array.from(told.rows, (row) => row[at] ?? NaN);
    const state = this.#at('state');
    setText(parts.histogramTitle, t('distribution', { column: columnName(this.#column) }));
    setText(parts.gridTitle, t('grid', { column: columnName(this.#column) }));
    histogram(parts.histogram, values);
    this.#grid.draw(values, (index) => state >= 0 && told.rows[index][state] === 0, told.rows.findIndex(([id]) => id === this.#entity));
    this.#table();
    this.#trace();
  }

  #facts({ block }) {
    setText(this.#parts.title, `${t('block')} ${block.name}`);
    setHidden(this.#parts.flag, !block.is_flagged);
    const facts = [
      ['live_', fixed(block.live)], ['active', fixed(block.active)], ['fitness', fixed(block.fitness, 3)],
      ['faultRatio', percent(block.fault_ratio)], ['mean', short(block.mean)], ['deviation', short(block.deviation)],
      ['threshold', short(block.threshold)],
      ['score', block.audit_score === null ? '–' : fixed(block.audit_score, 3)], ['kind', block.kind],
    ];
    keyed(this.#parts.facts, facts, ([name]) => name, () => make('div', {}, make('dt'), make('dd', { className: 'num' })), (node, [name, text]) => {
      setText(node.firstChild, t(name));
      setText(node.lastChild, text);
    });
  }

  #describe(index) {
    const row = this.#told.rows[index];
    return this.#told.columns.map((column, i) => `${columnName(column)} ${this.#text(column, row[i])}`).join(' · ');
  }

  #text(column, value) {
    if (column === 'id') return String(value);
    if (column === 'state') return t(value === 1 ? 'working' : 'broken');
    if (column === 'failures') return fixed(value);
    return fixed(value, Math.abs(value) < 100 ? 4 : 1);
  }

  // --- the table: a page of it, since thousands of rows cost more than anybody reads

  #table() {
    const { head, rows, page, previous, next } = this.#parts;
    const told = this.#told;
    const at = this.#at(this.#sort.column);
    const sign = this.#sort.isDown ? -1 : 1;
    const order = told.rows.map((_, index) => index);
    order.sort((a, b) => sign * ((told.rows[a][at] ?? -Infinity) - (told.rows[b][at] ?? -Infinity)) || a - b);
    this.#page = Math.min(Math.max(0, this.#page), Math.max(0, Math.ceil(order.length / PAGE) - 1));
    const from = this.#page * PAGE;
    this.#order = order.slice(from, from + PAGE);
    keyed(head, told.columns, String, (column) => this.#heading(column), (node, column) => {
      setText(node.firstChild, columnName(column));
      node.firstChild.setAttribute('aria-label', t('sortBy', { column: columnName(column) }));
      const isSorted = column === this.#sort.column;
      node.setAttribute('aria-sort', isSorted ? (this.#sort.isDown ? 'descending' : 'ascending') : 'none');
    });
    keyed(rows, this.#order, (_, place) => place, () => this.#row(), (node, index) => this.#fill(node, told.rows[index]));
    setText(page, t('pageOf', { from: fixed(Math.min(from + 1, order.length)), to: fixed(from + this.#order.length), total: fixed(order.length) }));
    previous.disabled = this.#page === 0;
    next.disabled = from + PAGE >= order.length;
  }

  #heading(column) {
    const button = make('button', { type: 'button', className: 'sort' });
    button.addEventListener('click', () => {
      this.#sort = { column, isDown: this.#sort.column === column ? !this.#sort.isDown : column !== 'id' };
      this.#page = 0;
      this.#table();
    });
    return make('th', { scope: 'col', className: 'num' }, button);
  }

  #row() {
    const node = make('tr', { tabIndex: 0 });
    node.addEventListener('click', () => this.#follow(node.entity));
    node.addEventListener('keydown', (event) => {
      const to = { ArrowUp: node.previousElementSibling, ArrowDown: node.nextElementSibling }[event.key];
      if (event.key === 'Enter') this.#follow(node.entity);
      else if (to) to.focus();
      else return;
      event.preventDefault();
    });
    return node;
  }

  #fill(node, row) {
    while (node.children.length < row.length) node.append(make('td', { className: 'num' }));
    while (node.children.length > row.length) node.lastChild.remove();
    node.entity = row[0];
    node.setAttribute('aria-selected', String(row[0] === this.#entity));
    row.forEach((value, i) => {
      const column = this.#told.columns[i];
      setText(node.children[i], this.#text(column, value));
      setData(node.children[i], 'tone', column === 'state' && value === 0 ? 'bad' : '');
    });
  }

  // --- one entity

  #follow(id) {
    this.#entity = id;
    this.#trailCount = 0;
    if (id !== null && this.#told) this.#remember();
    if (this.#told) this.draw();
    else this.#trace();
  }

  #remember() {
    const at = Math.max(this.#at('value'), 1);
    const row = this.#told.rows.find(([id]) => id === this.#entity);
    if (this.#trailCount === KEPT) this.#trail.copyWithin(0, 1);
    else this.#trailCount += 1;
    this.#trail[this.#trailCount - 1] = row?.[at] ?? NaN;
  }

  #trace() {
    const { entity, trail, trailHint } = this.#parts;
    const isFollowing = this.#entity !== null;
    setHidden(trail, !isFollowing);
    setText(entity, isFollowing ? t('entity', { id: this.#entity }) : '');
    if (!isFollowing) {
      setText(trailHint, t('pickEntity'));
      return;
    }
    const index = this.#told?.rows.findIndex(([id]) => id === this.#entity) ?? -1;
    setText(trailHint, index < 0 ? t('gone') : `${this.#describe(index)} — ${t('sparkline', { count: this.#trailCount })}`);
    sparkline(trail, this.#trail, this.#trailCount, KEPT);
  }
}
