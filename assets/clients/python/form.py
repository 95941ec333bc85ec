"""The forms in which the columns of a frame are stored. docs/wire-format.md has every byte."""
import io, struct, zstandard

def runs(stored, count):
    """Numbers that count up: the first of each run and how many there are."""
    found = [struct.unpack_from("<QI", stored, at) for at in range(0, len(stored), 12)]
    if sum(many for _, many in found) != count:
        raise ValueError(f"runs that have not {count} numbers")
    return b"".join(struct.pack(f"<{many}Q", *range(first, first + many)) for first, many in found)

def sparse(stored, count, size):
    """A bit for each value, and those whose bit is 1; the others are zeros."""
    bits, kept = stored[:(count + 7) // 8], io.BytesIO(stored[(count + 7) // 8:])
    return b"".join(kept.read(size) if bits[at // 8] >> at % 8 & 1 else bytes(size) for at in range(count))

def plain(form, stored, count, size):
    """All `count` values of a column, whatever its form."""
    match form:
        case 0: values = stored
        case 1: values = runs(stored, count)
        case 2: values = sparse(stored, count, size)
        # No more is unpacked than there should be.
        case 3: values = zstandard.ZstdDecompressor().stream_reader(stored).read(count * size + 1)
        case _: raise ValueError(f"found the form {form}, must be 0 to 3")
    if len(values) != count * size:
        raise ValueError(f"{len(values)} bytes as {count} values of {size}")
    return values
