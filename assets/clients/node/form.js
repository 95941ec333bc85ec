// The forms in which the columns of a frame are stored. docs/wire-format.md has every byte.
import { Zstd } from '@hpcc-js/wasm-zstd'

const zstd = await Zstd.load()

/** Numbers that count up: the first of each run and how many there are. */
function runs(stored, count) {
  const values = Buffer.alloc(8 * count)
  let at = 0
  for (let run = 0; run < stored.length; run += 12) {
    const first = stored.readBigUInt64LE(run), many = stored.readUInt32LE(run + 8)
    for (let i = 0; i < many; i++, at += 8) values.writeBigUInt64LE(first + BigInt(i), at)
  }
  if (at !== values.length) throw new Error(`runs that have not ${count} numbers`)
  return values
}

/** A bit for each value, and those whose bit is 1; the others are zeros. */
function sparse(stored, count, size) {
  const values = Buffer.alloc(count * size)
  let from = Math.ceil(count / 8)
  for (let i = 0; i < count; i++) if (stored[i >> 3] >> (i & 7) & 1) stored.copy(values, i * size, from, from += size)
  if (from !== stored.length) throw new Error(`${stored.length} bytes, of which ${from} are ${count} values`)
  return values
}

/** All `count` values of a column, whatever its form. */
export function plain(form, stored, count, size) {
  if (form > 3) throw new Error(`found the form ${form}, must be 0 to 3`)
  const values = [() => stored, () => runs(stored, count), () => sparse(stored, count, size), () => Buffer.from(zstd.decompress(stored))][form]()
  if (values.length !== count * size) throw new Error(`${values.length} bytes as ${count} values of ${size}`)
  return values
}
