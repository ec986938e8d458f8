// Reads what encode.py packed: 4 bytes of header length, the JSON header, then compressed rasters.

const NO_HEAT = 65535;

function readHeader(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  return { header, blobs: bytes.subarray(4 + length) };
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Returns {data, rows, columns, channels}; data is a Uint8Array, Int16Array or Uint16Array.
async function decodeRaster(meta, blobs) {
  const [rows, columns, channels = 1] = meta.shape;
  const raw = await inflate(blobs.subarray(meta.offset, meta.offset + meta.length));
  const stride = columns * channels;
  const count = rows * stride;
  const expected = meta.dtype === "uint8" ? count : 2 * count;
  if (raw.length !== expected) throw new Error(`a raster has ${raw.length} bytes, expected ${expected}`);
  const data = meta.dtype === "uint8" ? raw : unzigzag(raw, count, meta.dtype);
  if (meta.dtype === "uint16") {
    for (let i = 0; i < count; i++) if (i % stride >= channels) data[i] += data[i - channels];
  }
  for (let i = stride; i < count; i++) data[i] += data[i - stride]; // wraps, as the packing did
  return { data, rows, columns, channels };
}

// Small numbers of either sign from their low and high byte planes.
function unzigzag(raw, count, dtype) {
  const data = dtype === "int16" ? new Int16Array(count) : new Uint16Array(count);
  for (let i = 0; i < count; i++) {
    const zigzag = raw[i] | (raw[count + i] << 8);
    data[i] = (zigzag >>> 1) ^ -(zigzag & 1);
  }
  return data;
}

// A heatmap's values, brought to the base picture's size by value (not by colour) with pixel centres aligned.
function heatValues(raster, layer, rows, columns) {
  const small = new Float32Array(raster.data.length);
  for (let i = 0; i < small.length; i++) {
    small[i] = raster.data[i] === NO_HEAT ? NaN : layer.base + raster.data[i] * layer.step;
  }
  if (raster.rows === rows && raster.columns === columns) return small;
  return resizeBilinear(small, raster.rows, raster.columns, rows, columns);
}

function resizeBilinear(values, fromRows, fromColumns, rows, columns) {
  const out = new Float32Array(rows * columns);
  const at = (index, from, to) => {
    const place = Math.min(from - 1, Math.max(0, ((index + 0.5) * from) / to - 0.5));
    const low = Math.floor(place);
    return [low, Math.min(from - 1, low + 1), place - low];
  };
  const across = Array.from({ length: columns }, (_, c) => at(c, fromColumns, columns));
  for (let r = 0; r < rows; r++) {
    const [top, bottom, down] = at(r, fromRows, rows);
    for (let c = 0; c < columns; c++) {
      const [left, right, along] = across[c];
      const upper = values[top * fromColumns + left] * (1 - along) + values[top * fromColumns + right] * along;
      const lower = values[bottom * fromColumns + left] * (1 - along) + values[bottom * fromColumns + right] * along;
      out[r * columns + c] = upper * (1 - down) + lower * down;
    }
  }
  return out;
}
