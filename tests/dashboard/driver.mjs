// Driver: looks at the dashboard with Chromium as a person would, and writes what it finds as JSON, a line a finding. The tests judge.
//
// node driver.mjs CHROMIUM SCENE URL [MORE...]
// A scene that takes turns with the test goes on when it gets a line on stdin.

import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const [program, scene, url, ...more] = process.argv.slice(2);
const DEADLINE_MS = scene === 'shots' ? 600_000 : 110_000;
const WIDE = { width: 1280, height: 900 };

setTimeout(() => { throw new Error(`${scene}: not within ${DEADLINE_MS} ms`); }, DEADLINE_MS).unref();

const find = (finding) => process.stdout.write(`${JSON.stringify(finding)}\n`);
const lines = createInterface({ input: process.stdin });
const turns = lines[Symbol.asyncIterator]();
const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

const browser = await chromium.launch({ executablePath: program });

/** A person of their own: nothing is shared, not even connections, of which Chromium has six a server for all tabs of a profile. */
async function person(options) {
  const context = await browser.newContext({ viewport: WIDE, locale: 'en-GB', colorScheme: 'dark', ...options });
  return context.newPage();
}

async function open(at, options) {
  const page = await person(options);
  await page.goto(at);
  await isLive(page);
  return page;
}

const state = (page) => page.evaluate(() => ({ ...corec.frames(), ...corec.state() }));
const text = (page, selector) => page.locator(selector).innerText();

/** Shows a run: what was drawn is of it, and blocks have their places. */
const isLive = (page) => page.waitForFunction(() => {
  const { connection, layout, run } = corec.state();
  return connection === 'live' && layout !== null && run !== null && corec.frames().drawn > 2;
});

async function waitForFrames(page, count) {
  const { drawn } = await state(page);
  await page.waitForFunction((until) => corec.frames().drawn >= until, drawn + count);
}

/** Goes from element to element with the tab key until `selector` has the focus. */
async function tabTo(page, selector) {
  for (let i = 0; i < 60; i += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate((wanted) => document.activeElement.matches(wanted), selector)) return;
  }
  throw new Error(`60 tabs do not lead to ${selector}`);
}

const scenes = {
  async load() {
    const page = await person();
    const [said, foreign, files] = [[], [], new Map()];
    page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => said.push(`thrown: ${error.message}`));
    page.on('request', (asked) => {
      if (!asked.url().startsWith('data:') && new URL(asked.url()).origin !== new URL(url).origin) foreign.push(asked.url());
    });
    await page.addInitScript(() => {
      window.violations = [];
      addEventListener('securitypolicyviolation', (event) => violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
    });
    const network = await page.context().newCDPSession(page);
    await network.send('Network.enable');
    const asked = new Map();
    network.on('Network.responseReceived', ({ requestId, response }) => asked.set(requestId, new URL(response.url).pathname));
    network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
      const path = asked.get(requestId);
      if (path && !path.startsWith('/api/')) files.set(path, encodedDataLength);
    });
    await page.goto(url);
    await isLive(page);
    const before = await state(page);
    await waitForFrames(page, 10);
    const paints = await page.evaluate(() => performance.getEntriesByType('paint').map(({ name, startTime }) => [name, Math.round(startTime)]));
    find({
      before, after: await state(page), shown: await text(page, '#f-tick dd.num'),
      said, foreign, violations: await page.evaluate(() => violations), paints: Object.fromEntries(paints),
      files: Object.fromEntries(files), bytes: [...files.values()].reduce((sum, size) => sum + size, 0),
    });
  },

  async block() {
    const page = await open(url);
    const look = async () => ({
      ...(await state(page)), hash: new URL(page.url()).hash,
      title: await page.locator('#block-title').textContent(), focus: await page.evaluate(() => document.activeElement.id),
      map: await page.locator('#map').isVisible(), rows: await page.locator('#block-rows tr:visible').count(),
    });
    const rows = () => page.locator('#block-rows tr:visible').first().waitFor();
    await tabTo(page, '#map-box');
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowRight']) await page.keyboard.press(key);
    const pointed = await text(page, '#map-status');
    await page.keyboard.press('Enter');
    await rows();
    const opened = await look();
    await tabTo(page, '#block-rows tr');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    const [chosen, columns] = [await text(page, '#entity'), await page.locator('#block-head th').allInnerTexts()];
    const cells = await page.locator('#block-rows tr[aria-selected="true"] td').allInnerTexts();
    await page.keyboard.press('Escape');
    const closed = await look();
    await page.goBack();
    await rows();
    const again = await look();
    await page.reload();
    await isLive(page);
    await rows();
    const reloaded = await look();
    await page.goto(new URL('/#block=4000000000', url).href);
    await page.waitForFunction(() => corec.state().block === null);
    find({ pointed, opened, chosen, columns, cells, closed, again, reloaded, nowhere: await look(), notice: await text(page, '#notice') });
  },

  async plugin() {
    const [name, wrong, right] = more;
    const page = await open(url);
    const row = page.locator('#plugin-rows tr', { hasText: name });
    const states = async () => ({ row: await row.locator('td').nth(1).innerText(), dialog: await page.locator('#token-dialog').isVisible(), refused: await page.locator('#token-refused').isVisible(), kept: await page.evaluate(() => [Object.values(sessionStorage), Object.values(localStorage)].flat()) });
    const becomes = (word) => row.locator('td', { hasText: word }).waitFor();
    let asked = 0;
    page.on('request', (one) => { if (one.method() === 'POST') asked += 1; });
    await row.getByRole('button').click();
    await page.keyboard.press('Escape');
    await page.locator('#token-dialog').waitFor({ state: 'hidden' });
    const waived = { ...(await states()), asked };
    await row.getByRole('button').click();
    await page.keyboard.type(wrong);
    await page.keyboard.press('Enter');
    await page.locator('#token-refused').waitFor();
    await waitForFrames(page, 10);
    const refused = await states();
    await page.keyboard.type(right);
    await page.keyboard.press('Enter');
    await becomes('paused');
    await page.locator('#alerts-open tr', { hasText: 'plugin_paused' }).waitFor();
    const paused = { ...(await states()), button: await row.getByRole('button').innerText() };
    await row.getByRole('button').click();
    await becomes('running');
    find({ waived, refused, paused, resumed: await states(), asked });
  },

  async restart() {
    const page = await open(url);
    const look = async () => ({ ...(await state(page)), text: await text(page, '#state') });
    const turn = async (wanted) => {
      await turns.next();
      await page.waitForFunction((connection) => corec.state().connection === connection, wanted);
    };
    find(await look());
    await turn('lost');
    find(await look());
    await turn('live');
    await waitForFrames(page, 10);
    find(await look());
    await turn('ended');
    // It goes on asking for another run, and says no other thing meanwhile.
    await sleep(2500);
    find(await look());
  },

  async crowd() {
    const pages = await Promise.all(Array.from({ length: Number(more[0]) }, () => open(url)));
    const before = await Promise.all(pages.map(state));
    await Promise.all(pages.map((page) => waitForFrames(page, 10)));
    find({ before, after: await Promise.all(pages.map(state)) });
  },

  async soak() {
    const [frames, early] = more.map(Number);
    const feed = await Feed.start();
    const page = await open(feed.url);
    const devtools = await page.context().newCDPSession(page);
    const measure = async () => {
      // The flame bar keeps the summaries of its last two seconds: at the engine's pace those are few.
      await sleep(2200);
      await feed.run(10, 100);
      await page.waitForFunction((tick) => corec.state().tick === tick, feed.tick);
      await page.evaluate(() => new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(resolve)); }));
      for (let i = 0; i < 3; i += 1) await devtools.send('HeapProfiler.collectGarbage');
      const { usedSize } = await devtools.send('Runtime.getHeapUsage');
      const { nodes, jsEventListeners } = await devtools.send('Memory.getDOMCounters');
      const elements = await page.evaluate(() => document.querySelectorAll('*').length);
      return { ...(await state(page)), heap: usedSize, nodes, listeners: jsEventListeners, elements };
    };
    await feed.run(early, 0);
    const before = await measure();
    const began = performance.now();
    await feed.run(frames - feed.sent, 0);
    const seconds = (performance.now() - began) / 1e3;
    find({ before, after: await measure(), sent: feed.sent, seconds });
    feed.server.close();
  },

  async look() {
    const words = await allWords();
    const [looks, axes] = [[], []];
    for (const [language, locale] of [['en', 'en-GB'], ['es', 'es-ES']]) {
      const page = await open(url, { locale });
      for (const theme of ['dark', 'light']) {
        await page.emulateMedia({ colorScheme: theme });
        for (const width of [1280, 1024, 360]) {
          await page.setViewportSize({ width, height: width === 360 ? 780 : WIDE.height });
          await waitForFrames(page, 3);
          looks.push({ language, theme, width, ...(await page.evaluate(lookAround, words)) });
          if (width === 360) {
            await openBlock(page);
            looks.push({ language, theme, width, block: true, ...(await page.evaluate(lookAround, words)) });
            await page.keyboard.press('Escape');
          }
        }
        await page.setViewportSize(WIDE);
        await waitForFrames(page, 3);
        if (language === 'en') {
          axes.push(...(await access(page, theme)));
          await openBlock(page);
          axes.push(...(await access(page, `${theme}, a block`)));
          await page.keyboard.press('Escape');
        }
      }
      await page.context().close();
    }
    find({ looks, axes, chosen: await choices() });
  },

  /** Pictures for people: in a folder, of a page that has been open for so many seconds. */
  async shots() {
    const [folder, seconds] = [more[0], Number(more[1])];
    mkdirSync(folder, { recursive: true });
    const shoot = (page, name) => page.screenshot({ path: join(folder, `dashboard-${name}.png`) });
    const [page, phone] = [await open(url), await open(url, { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 })];
    await sleep(seconds * 1e3);
    await shoot(phone, 'phone');
    await shoot(page, 'dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await waitForFrames(page, 5);
    await shoot(page, 'light');
    await page.emulateMedia({ colorScheme: 'dark' });
    await openBlock(page);
    await sleep(seconds * 150);
    await shoot(page, 'block');
    find({ taken: 4 });
  },
};

/** Opens a block and follows one of its entities for a while. */
async function openBlock(page) {
  await page.locator('#map-box').focus();
  for (const key of ['ArrowRight', 'ArrowRight', 'ArrowDown', 'Enter']) await page.keyboard.press(key);
  await page.locator('#block-rows tr').nth(1).click();
  await page.waitForFunction(() => /[2-9]|\d\d/.test(document.getElementById('trail-hint').textContent));
  await page.evaluate(() => scrollTo(0, 0));
}

/** The buttons of theme and language do what the system's settings do, and the page keeps them. */
async function choices() {
  const page = await open(url);
  const colours = () => page.evaluate(() => Object.fromEntries([...document.styleSheets[0].cssRules[0].style]
    .filter((name) => name.startsWith('--')).map((name) => [name, getComputedStyle(document.documentElement).getPropertyValue(name)])));
  const ofSystem = {};
  for (const theme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: theme });
    ofSystem[theme] = await colours();
  }
  const chosen = {};
  for (const theme of ['dark', 'light']) {
    // Against the system's setting, so that the choice shows.
    await page.emulateMedia({ colorScheme: theme === 'dark' ? 'light' : 'dark' });
    await page.locator('#theme').click();
    chosen[theme] = await colours();
  }
  await page.locator('#language').click();
  const language = () => page.evaluate(() => ({ lang: document.documentElement.lang, theme: document.documentElement.dataset.theme, title: document.title }));
  const before = await language();
  await page.reload();
  await isLive(page);
  return { ofSystem, chosen, before, after: await language() };
}

/** The words of the page in both languages: the module keeps them to itself. */
async function allWords() {
  const source = await (await fetch(new URL('/assets/words.js', url))).text();
  return new Function(`return ${/const WORDS = (\{[\s\S]*?\n\});/.exec(source)[1]}`)();
}

/** In the page: what a person would stumble over. */
function lookAround(words) {
  const shown = words[document.documentElement.lang];
  const other = words[document.documentElement.lang === 'en' ? 'es' : 'en'];
  const isVisible = (node) => node.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true }) && !node.closest('.unseen, .skip');
  const own = (node) => [...node.childNodes].filter((child) => child.nodeType === 3).map((child) => child.data.trim()).join(' ').trim();
  const nodes = [...document.body.querySelectorAll('*')].filter(isVisible);

  // A key in place of its text, a place for a value, or a word of the other language only.
  const ofThisLanguage = new Set(Object.values(shown));
  const foreign = new Set([...Object.keys(shown), ...Object.values(other)].filter((word) => !ofThisLanguage.has(word)));
  const told = nodes.flatMap((node) => [own(node), node.getAttribute('aria-label') ?? '', node.title ?? ''].map((one) => [node, one]));
  // What the run itself is made of has its names from there.
  const untranslated = told.filter(([node, one]) => (foreign.has(one) || /\{\w+\}/.test(one)) && !node.closest('.flame, .slowest, td.strong, code, #alerts-open b, #alerts-recent b')).map(([, one]) => one);
  const missing = [...new Set([...Object.keys(shown), ...Object.keys(other)])].filter((key) => !shown[key] || !other[key]);

  // Contrast as WCAG has it: of a text and the first ground below it that is opaque.
  const rgb = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => colour.slice(0, 3).map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if ((colour[3] ?? 1) === 1) return colour;
    }
    throw new Error('the page has no ground');
  };
  const contrast = (node) => {
    const [a, b] = [light(rgb(getComputedStyle(node).color)), light(ground(node))].sort((one, two) => two - one);
    return (a + 0.05) / (b + 0.05);
  };
  const texts = nodes.filter((node) => own(node) && !node.closest(':disabled, option')).map((node) => [contrast(node), own(node).slice(0, 40)]);
  const least = texts.reduce((worst, one) => (one[0] < worst[0] ? one : worst), [Infinity, '']);

  const cut = nodes.filter((node) => node.closest('.figures, .top, .panel > header, .chart figcaption') && own(node) && node.scrollWidth > node.clientWidth + 1
    && getComputedStyle(node).display !== 'inline').map(own);
  const panels = [...document.querySelectorAll('.panel')].map((panel) => panel.getBoundingClientRect());
  const canvases = [...document.querySelectorAll('canvas')].filter(isVisible);
  const isDrawn = (canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte > 0);
  return {
    scrolls: document.documentElement.scrollWidth - innerWidth, beyond: nodes.filter((node) => !node.closest('.scroll, .canvas-box, .slowest, .flame, .grid-box, .plot')
      && node.getBoundingClientRect().right > innerWidth + 0.5).map((node) => node.id || node.className || node.tagName),
    untranslated, missing, least, texts: texts.length, body: contrast(document.body), cut,
    panels: panels.filter(({ width, height }) => width > 200 && height > 40).length,
    canvases: canvases.length, drawn: canvases.filter(isDrawn).length, lang: document.documentElement.lang,
  };
}

/** What axe finds that is serious: it is put in with DevTools, which the page's policy has no say in. */
async function access(page, where) {
  await page.evaluate(readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
  const { violations, passes } = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }));
  if (passes.length < 20) throw new Error(`axe passed ${passes.length} rules only`);
  return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${where}: ${id}: ${target}: ${failureSummary}`));
}

/**
 * A run that is shown through here: all is passed on but the stream, which has pictures of it as fast as they are taken, and
 * the alerts, which stay as they first were: rows that come with them are none that the page keeps.
 */
class Feed {
  sent = 0;
  tick = 0;
  #stream = null;
  #frame;
  #summary;
  #alerts;

  static async start() {
    const feed = new Feed();
    await feed.#sample();
    feed.server = createServer((asked, answer) => feed.#answer(asked, answer));
    await new Promise((resolve) => { feed.server.listen(0, '127.0.0.1', resolve); });
    feed.url = `http://127.0.0.1:${feed.server.address().port}/`;
    return feed;
  }

  /** A picture and a summary of the run's own. */
  async #sample() {
    const stopped = new AbortController();
    const { body } = await fetch(new URL('/api/v1/stream', url), { signal: stopped.signal });
    let read = '';
    const of = (name) => new RegExp(`event: ${name}\\n(?:id: .*\\n)?data: (.*)\\n`).exec(read)?.[1];
    for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
      read += chunk;
      if (of('frame') && of('summary')) break;
    }
    this.#frame = Buffer.from(of('frame'), 'base64');
    this.#summary = JSON.parse(of('summary'));
    this.tick = this.#summary.tick;
    stopped.abort();
    this.#alerts = await (await fetch(new URL('/api/v1/alerts', url))).text();
  }

  #answer(asked, answer) {
    if (asked.url.startsWith('/api/v1/stream')) {
      answer.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
      this.#stream = answer;
      this.run(4, 100);
      return;
    }
    if (asked.url === '/api/v1/alerts') {
      answer.writeHead(200, { 'Content-Type': 'application/json' });
      answer.end(this.#alerts);
      return;
    }
    const passed = request(new URL(asked.url, url), { method: asked.method, headers: { ...asked.headers, host: new URL(url).host } }, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    asked.pipe(passed);
  }

  /** Sends so many pictures, and a summary with every fifth; waits `pause` milliseconds after each, or as the page takes them. */
  async run(count, pause) {
    for (let i = 0; i < count; i += 1) {
      this.sent += 1;
      this.tick += 1;
      let events = `event: frame\nid: ${this.tick}\ndata: ${this.#picture()}\n\n`;
      if (i % 5 === 0) events = `event: summary\nid: ${this.tick}\ndata: ${this.#told()}\n\n${events}`;
      const isTaken = this.#stream.write(events);
      if (pause) await sleep(pause);
      // Now and then it comes to draw them.
      else if (i % 50 === 0) await sleep(5);
      else if (!isTaken) await new Promise((resolve) => { this.#stream.once('drain', resolve); });
    }
  }

  #picture() {
    const frame = this.#frame;
    frame.writeDoubleLE(this.tick, 8);
    frame.writeDoubleLE(frame.readDoubleLE(16) + 100, 16);
    // Rate and times go up and down; faults and repairs go up.
    [3, 4, 5, 6].forEach((at) => frame.writeDoubleLE(50 + 30 * Math.sin(this.tick / (50 + at)), 8 + 8 * at));
    [7, 9, 10].forEach((at) => frame.writeDoubleLE(this.tick * at, 8 + 8 * at));
    const values = frame.readUInt32LE(4);
    for (let at = values; at < frame.length; at += 7) frame[at] = (frame[at] + this.tick) % 255;
    return frame.toString('base64');
  }

  #told() {
    const summary = this.#summary;
    summary.tick = this.tick;
    summary.systems.forEach((system, i) => { system.seconds += 1e-5 * (1 + i + (this.tick % 7)); });
    return JSON.stringify(summary);
  }
}

try {
  await scenes[scene]();
} finally {
  await browser.close();
}
lines.close();
