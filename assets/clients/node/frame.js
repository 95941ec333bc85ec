// Frames of CoreC, version 2: whole blocks in columns. docs/wire-format.md has every byte.
import { Zstd } from '@hpcc-js/wasm-zstd'
import { createXXHash3 } from 'hash-wasm'

const START = Buffer.from('CRCF\x02'), COLUMN_BYTES_MAX = 64 << 20
const [zstd, hasher] = [await Zstd.load(), await createXXHash3()]
// The hash comes with its highest byte first.
const hash = bytes => Buffer.from(hasher.init().update(bytes).digest('binary')).reverse()
const text = name => Buffer.concat([Buffer.of(Buffer.byteLength(name)), Buffer.from(name)])
const u16 = n => { const b = Buffer.alloc(2); b.writeUInt16LE(n); return b }
const u32 = n => { const b = Buffer.alloc(4); b.writeUInt32LE(n); return b }
const u64 = n => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(n)); return b }
const schema = columns => hash(Buffer.concat(columns.flatMap(c => [Buffer.from(c.name + '\0'), u16(c.size)])))

/** Bytes of { instance, kind, first_block, blocks, epoch, count, tick, sequence, columns: [{ name, size, values }] }. */
export function encode(frame) {
  const packed = zstd.compress(Buffer.concat(frame.columns.map(c => c.values)), 1)
  const body = Buffer.concat([START, text(frame.instance), text(frame.kind),
    ...[frame.first_block, frame.blocks, frame.epoch, frame.count].map(u32), u64(frame.tick), u64(frame.sequence),
    schema(frame.columns), Buffer.of(frame.columns.length), ...frame.columns.flatMap(c => [text(c.name), u16(c.size)]),
    u32(packed.length), packed])
  return Buffer.concat([body, hash(body)])
}

/** What `encode` takes; tick and sequence are BigInts. A column's values are little endian: `values.readFloatLE(4 * i)`. */
export function decode(data) {
  const body = data.subarray(0, -8)
  if (!data.subarray(0, 5).equals(START) || !hash(body).equals(data.subarray(-8))) throw new Error('no whole frame of version 2')
  let at = 5
  const take = n => body.subarray(at, at += n), int = n => take(n).readUIntLE(0, n), name = () => take(int(1)).toString()
  const frame = { instance: name(), kind: name(), first_block: int(4), blocks: int(4), epoch: int(4), count: int(4),
    tick: take(8).readBigUInt64LE(), sequence: take(8).readBigUInt64LE() }
  const said = take(8), columns = Array.from({ length: int(1) }, () => ({ name: name(), size: int(2) }))
  const size = frame.count * columns.reduce((sum, c) => sum + c.size, 0), packed = take(int(4))
  if (size > COLUMN_BYTES_MAX || !said.equals(schema(columns))) throw new Error('columns that are not what the header says')
  const values = Buffer.from(zstd.decompress(packed))
  if (values.length !== size) throw new Error(`${values.length} bytes of columns instead of ${size}`)
  let from = 0
  return { ...frame, columns: columns.map(c => ({ ...c, values: values.subarray(from, from += c.size * frame.count) })) }
}
