// Elements: made, found and changed. Data only ever becomes text, never markup.

/** An element; `props` are its properties, and attributes where the name has a dash or is `role`. */
export function make(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.includes('-') || name === 'role' || name === 'scope') node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children);
  return node;
}

export const byId = (id) => document.getElementById(id);

// A write that changes nothing still costs layout and wakes screen readers.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setHidden(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

export function setData(node, name, value) {
  if (node.dataset[name] !== value) node.dataset[name] = value;
}

/**
 * Brings the children of `parent` in line with `items`, one child a key, so that focus and selection survive a refresh.
 * `create(item)` makes a child, `update(child, item)` fills it.
 */
export function keyed(parent, items, keyOf, create, update) {
  const old = parent.keyed ?? new Map();
  const keys = items.map((item, place) => keyOf(item, place));
  const wanted = new Set(keys);
  // First what is gone: a node that is moved loses its focus, and one in the way would make the others move.
  for (const [key, node] of old) if (!wanted.has(key)) node.remove();
  parent.keyed = new Map();
  items.forEach((item, index) => {
    const node = old.get(keys[index]) ?? create(item);
    parent.keyed.set(keys[index], node);
    update(node, item);
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
  });
}

/** A canvas as large as its box in device pixels; true if it had to change, which empties it. */
export function fitCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width === w && canvas.height === h) return false;
  canvas.width = w;
  canvas.height = h;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.getContext('2d').setTransform(ratio, 0, 0, ratio, 0, 0);
  return true;
}

/** A colour or length that the style sheet names. */
export const styled = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** What the browser remembers; a browser that refuses storage just forgets. */
export const memory = {
  get(name, where = 'localStorage') {
    try { return window[where].getItem(name); } catch { return null; }
  },
  set(name, value, where = 'localStorage') {
    try {
      if (value === null) window[where].removeItem(name);
      else window[where].setItem(name, value);
    } catch { /* forgotten */ }
  },
};
