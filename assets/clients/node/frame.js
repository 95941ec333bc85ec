// Frames of CoreC, version 3: whole blocks in columns. docs/wire-format.md has every byte.
import { createXXHash3 } from 'hash-wasm'
import { plain } from './form.js'

const START = Buffer.from('CRCF\x03'), COLUMN_BYTES_MAX = 64 << 20
const hasher = await createXXHash3()
// The hash comes with its highest byte first.
const hash = bytes => Buffer.from(hasher.init().update(bytes).digest('binary')).reverse()
const text = name => Buffer.concat([Buffer.of(Buffer.byteLength(name)), Buffer.from(name)])
const u16 = n => { const b = Buffer.alloc(2); b.writeUInt16LE(n); return b }
const u32 = n => { const b = Buffer.alloc(4); b.writeUInt32LE(n); return b }
const u64 = n => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(n)); return b }
const schema = columns => hash(Buffer.concat(columns.flatMap(c => [Buffer.from(c.name + '\0'), u16(c.size)])))

/** Bytes of { instance, kind, first_block, blocks, epoch, count, tick, sequence, columns: [{ name, size, values }] }. */
export function encode(frame) {
  const body = Buffer.concat([START, text(frame.instance), text(frame.kind),
    ...[frame.first_block, frame.blocks, frame.epoch, frame.count].map(u32), u64(frame.tick), u64(frame.sequence),
    schema(frame.columns), Buffer.of(frame.columns.length),
    ...frame.columns.flatMap(c => [text(c.name), u16(c.size), Buffer.of(0), u32(c.values.length), c.values])])
  return Buffer.concat([body, hash(body)])
}

/** What `encode` takes; tick and sequence are BigInts. A column's values are little endian: `values.readFloatLE(4 * i)`. */
export function decode(data) {
  const body = data.subarray(0, -8)
  if (!data.subarray(0, 5).equals(START) || !hash(body).equals(data.subarray(-8))) throw new Error('no whole frame of version 3')
  let at = 5, rest = COLUMN_BYTES_MAX
  const take = n => body.subarray(at, at += n), int = n => take(n).readUIntLE(0, n), name = () => take(int(1)).toString()
  const frame = { instance: name(), kind: name(), first_block: int(4), blocks: int(4), epoch: int(4), count: int(4),
    tick: take(8).readBigUInt64LE(), sequence: take(8).readBigUInt64LE() }
  const said = take(8), columns = Array.from({ length: int(1) }, () => {
    const column = { name: name(), size: int(2) }, form = int(1)
    if ((rest -= frame.count * column.size) < 0) throw new Error(`${frame.count} values of ${column.size} bytes`)
    return { ...column, values: plain(form, take(int(4)), frame.count, column.size) }
  })
  if (at !== body.length || !said.equals(schema(columns))) throw new Error('columns that are not what the header says')
  return { ...frame, columns }
}
