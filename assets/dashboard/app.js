// App: puts the page together. What comes is kept at once and drawn with the next animation frame, if anybody looks.

import * as api from './api.js';
import { BlockView } from './block.js';
import { Charts } from './charts.js';
import { Controls } from './controls.js';
import { byId, setData, setText } from './dom.js';
import { Flame } from './flame.js';
import { fixed } from './format.js';
import { Frame } from './frame.js';
import { HeatMap } from './heatmap.js';
import { AlertsPanel, LanesPanel, PluginsPanel } from './panels.js';
import { Rings } from './rings.js';
import { Figures, RunPanel } from './run.js';
import { Stream } from './stream.js';
import { known, t, translate } from './words.js';

const ALERTS_MS = 2000;
const LAYOUT_RETRY_MS = 1000;

const parts = (names) => Object.fromEntries(Object.entries(names).map(([part, id]) => [part, byId(id)]));

// A paused view keeps what it shows: what comes meanwhile is read into the other frame.
let [frame, spare] = [new Frame(), new Frame()];
const rings = new Rings();
let summary = null;
let alerts = null;
let layout = null;
let layoutAsked = -Infinity;
let received = 0;
let drawn = 0;
let isPaused = false;
let isDue = false;
let hasFrame = false;
let hasSummary = false;

const map = new HeatMap(
  parts({
    canvas: 'map-canvas', box: 'map-box', mark: 'map-mark', status: 'map-status', said: 'said',
    bar: 'legend-bar', least: 'legend-least', middle: 'legend-middle', most: 'legend-most',
  }),
  (id) => { location.hash = `block=${id}`; },
);
const block = new BlockView(parts({
  title: 'block-title', flag: 'block-flag', read: 'block-read', body: 'block-body', facts: 'block-facts', column: 'block-column',
  histogram: 'histogram', histogramTitle: 'histogram-title',
  grid: 'grid', gridTitle: 'grid-title', gridBox: 'grid-box', gridMark: 'grid-mark', gridStatus: 'grid-status',
  entity: 'entity', trail: 'trail', trailHint: 'trail-hint', head: 'block-head', rows: 'block-rows', said: 'said', page: 'page', previous: 'previous', next: 'next',
}), (id) => {
  controls.notice(t('noBlock', { id }));
  back();
});
const charts = new Charts(byId('charts'), rings);
const flame = new Flame(parts({ box: 'flame', status: 'flame-status', list: 'slowest' }));
const figures = new Figures();
const runPanel = new RunPanel(byId('run-facts'));
const lanesPanel = new LanesPanel(byId('lane-rows'));
const alertsPanel = new AlertsPanel(parts({
  openRows: 'alerts-open', openEmpty: 'alerts-empty', recentRows: 'alerts-recent', recentEmpty: 'recent-empty', count: 'alerts-count',
}));
const controls = new Controls({
  pause: () => pause(!isPaused),
  metric: (metric) => { map.metric = metric; map.refresh(); schedule(); },
  fit: (fits) => { map.fits = fits; map.refresh(); schedule(); },
  look: () => { charts.recolour(); map.refresh(); redraw(); },
  words: () => { tellState(); map.refresh(); redraw(); },
  back,
});
const pluginsPanel = new PluginsPanel(parts({ rows: 'plugin-rows', empty: 'plugins-empty' }), async (name, verb) => {
  try {
    if (await api.switchPlugin(name, verb, (refused) => controls.demandToken(refused))) controls.notice(t('switched', { name }));
  } catch (error) {
    controls.notice(t('failedSwitch', { name, error: error.status ? error.message : t('unreachable') }));
  }
});

const stream = new Stream({
  state(state) {
    if (state !== 'live') rings.gap();
    tellState();
  },
  summary(told) {
    if (summary && told.run.id !== summary.run.id) begin();
    summary = told;
    flame.take(told);
    hasSummary = true;
    schedule();
  },
  frame(text) {
    const into = isPaused ? spare : frame;
    const open = rings.last('alerts');
    if (!into.read(text)) return;
    received += 1;
    rings.push(into.numbers);
    if (into.version !== layout?.version) askLayout();
    if (rings.last('alerts') !== open) askAlerts();
    hasFrame = true;
    schedule();
  },
});

/** Another run at the same address: nothing of the last one holds. */
function begin() {
  rings.reset();
  flame.reset();
  layout = null;
  layoutAsked = -Infinity;
  controls.notice(t('newRun'));
  if (block.id !== null) {
    const { id } = block;
    block.close();
    block.open(id);
  }
}

async function askLayout() {
  if (performance.now() - layoutAsked < LAYOUT_RETRY_MS) return;
  layoutAsked = performance.now();
  try {
    const told = await api.layout();
    layout = told;
    map.setLayout(told);
    map.refresh();
    redraw();
  } catch { /* the next frame asks again */ }
}

let alertsAsked = -Infinity;
let alertsTimer = 0;
let areAlertsSeen = false;

async function askAlerts() {
  // Counts that flutter are read once a second.
  const wait = alertsAsked + ALERTS_MS / 2 - performance.now();
  if (wait > 0) {
    alertsTimer ||= setTimeout(() => { alertsTimer = 0; askAlerts(); }, wait);
    return;
  }
  alertsAsked = performance.now();
  try {
    const told = await api.alerts();
    if (isPaused) return;
    if (alerts && told.open_count !== alerts.open_count) {
      const [first] = told.open;
      const one = told.open_count === 1 ? t('alertNow', first) : t('alertsNow', { count: fixed(told.open_count) });
      setText(byId('alert-live'), told.open_count === 0 ? t('alertsNone') : one);
    }
    alerts = told;
    alertsPanel.draw(told);
  } catch { /* the state of the connection says so already */ }
}

new IntersectionObserver(([entry]) => { areAlertsSeen = entry.isIntersecting; }).observe(byId('alerts-panel'));
setInterval(() => { if (areAlertsSeen && !document.hidden && !isPaused && stream.state === 'live') askAlerts(); }, ALERTS_MS);

// --- drawing

function schedule() {
  if (isDue || isPaused || document.hidden) return;
  isDue = true;
  requestAnimationFrame(draw);
}

function draw() {
  isDue = false;
  if (isPaused) return;
  if (hasFrame) drawFrame();
  if (hasSummary) drawSummary();
  hasFrame = false;
  hasSummary = false;
}

function drawFrame() {
  drawn += 1;
  figures.drawFrame(frame, rings);
  charts.draw(rings);
  drawMap();
}

function drawMap() {
  if (block.id !== null) return;
  map.draw(frame);
  setText(byId('map-count'), frame.total > frame.shown ? t('blocksShown', { shown: fixed(frame.shown), total: fixed(frame.total) }) : fixed(frame.total));
}

function drawSummary() {
  const { scenario, instance } = summary.run;
  setText(byId('run-scenario'), scenario);
  setText(byId('run-instance'), instance);
  figures.drawSummary(summary);
  flame.draw();
  pluginsPanel.draw(summary.plugins, (plugin) => flame.ofPlugin(plugin.name));
  lanesPanel.draw(summary.lanes);
  runPanel.draw(summary);
}

/** Draws what is there once more: another size, theme or language. */
function redraw() {
  if (received > 0) {
    charts.draw(rings);
    drawMap();
    if (!isPaused) figures.drawFrame(frame, rings);
  }
  if (summary && !isPaused) drawSummary();
  if (alerts) alertsPanel.draw(alerts);
  block.draw();
}

let resized = 0;
const sizes = new ResizeObserver(() => {
  cancelAnimationFrame(resized);
  resized = requestAnimationFrame(redraw);
});
[byId('map-box'), byId('charts'), byId('grid-box')].forEach((node) => sizes.observe(node));

// --- states

function pause(on) {
  isPaused = on;
  block.isPaused = on;
  controls.showPaused(on);
  tellState();
  if (on) {
    charts.hold();
  } else {
    if (hasFrame) [frame, spare] = [spare, frame];
    charts.release();
    askAlerts();
    schedule();
  }
}

function tellState() {
  const { state, ended } = stream;
  const isHeld = isPaused && state === 'live';
  setData(byId('state'), 'state', isHeld ? 'paused' : state);
  setText(byId('state-text'), isHeld ? t('viewPaused') : state === 'ended' ? t('ended', { how: known(ended) }) : t(state));
}

function back() {
  if (!location.hash) return;
  history.pushState(null, '', location.pathname + location.search);
  show();
}

/** Shows the block that the address names, or the map. */
function show() {
  const id = /^#block=(\d{1,10})$/.exec(location.hash)?.[1];
  const wasOpen = block.id !== null;
  if (id === undefined) block.close();
  else block.open(Number(id));
  byId('map').hidden = id !== undefined;
  byId('block').hidden = id === undefined;
  if (id !== undefined) byId('block-title').focus({ preventScroll: true });
  else if (wasOpen) byId('map-box').focus({ preventScroll: true });
  redraw();
}

translate();
addEventListener('hashchange', show);
addEventListener('popstate', show);
show();
stream.start();

/** For tests: what the page has received and drawn, and what it shows. */
window.corec = {
  frames: () => ({ received, drawn, kept: rings.count }),
  state: () => ({
    connection: stream.state, ended: stream.ended, run: summary?.run.id ?? null, tick: frame.tick,
    block: block.id, paused: isPaused, layout: layout?.version ?? null,
  }),
};
