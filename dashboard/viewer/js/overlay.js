// What is drawn over the pictures: outlines, scale bar, colour bar, linked cursor, divider, notes.

const INK = "#e9edf3";
const SHADE = "rgba(0, 0, 0, 0.62)";

function drawOutlines(context, outlines, place, picture) {
  for (const outline of outlines) {
    const path = new Path2D();
    for (const polygon of outline.polygons) {
      for (let i = 0; i < polygon.length; i += 2) {
        // Whole numbers are pixel centres, hence the half pixel.
        const x = place.left + ((polygon[i] + 0.5) / picture.columns) * place.width;
        const y = place.top + ((polygon[i + 1] + 0.5) / picture.rows) * place.height;
        if (i === 0) path.moveTo(x, y);
        else path.lineTo(x, y);
      }
      path.closePath();
    }
    context.lineJoin = "round";
    strokeTwice(context, path, outline.color, outline.width);
  }
}

function strokeTwice(context, path, color, width) {
  context.strokeStyle = SHADE;
  context.lineWidth = width + 1.5;
  context.stroke(path);
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke(path);
}

function drawText(context, text, x, y, { align = "left", baseline = "alphabetic", color = INK } = {}) {
  context.textAlign = align;
  context.textBaseline = baseline;
  context.lineWidth = 3;
  context.strokeStyle = SHADE;
  context.lineJoin = "round";
  context.strokeText(text, x, y);
  context.fillStyle = color;
  context.fillText(text, x, y);
}

// A bar of a round length in mm, about a quarter of the panel.
function drawScaleBar(context, box, mmPerPixel) {
  const wanted = 0.28 * box.width * mmPerPixel;
  const lengths = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200];
  const length = lengths.filter((mm) => mm <= wanted).pop();
  if (!length) return;
  const width = length / mmPerPixel;
  const [x, y] = [10, box.height - 11];
  const path = new Path2D();
  path.moveTo(x, y - 4);
  path.lineTo(x, y);
  path.lineTo(x + width, y);
  path.lineTo(x + width, y - 4);
  strokeTwice(context, path, INK, 1.4);
  drawText(context, length >= 10 ? `${length / 10} cm` : `${length} mm`, x + width + 6, y + 1);
}

// The sides of the body at the panel's edges: left, right, top, bottom. The right one makes room for a colour bar.
function drawMarks(context, box, [left, right, top, bottom], hasColorBar) {
  context.save();
  context.font = context.font.replace(/^500 11px/, "600 13px");
  const color = "#f2c14e";
  const middle = { baseline: "middle", color };
  drawText(context, left, 10, box.height / 2, middle);
  drawText(context, right, box.width - 10, box.height * (hasColorBar ? 0.16 : 0.5), { ...middle, align: "right" });
  drawText(context, top, box.width / 2, 18, { align: "center", color });
  drawText(context, bottom, box.width / 2, box.height - 10, { align: "center", color });
  context.restore();
}

function drawColorBar(context, box, layer, colormap) {
  const height = Math.round(Math.min(180, box.height * 0.42));
  const [x, y, width] = [box.width - 18, Math.round((box.height - height) / 2), 8];
  const lut = LUTS[colormap] || LUTS.inferno;
  for (let i = 0; i < height; i++) {
    const at = Math.round((1 - i / (height - 1)) * 255) * 3;
    context.fillStyle = `rgb(${lut[at]}, ${lut[at + 1]}, ${lut[at + 2]})`;
    context.fillRect(x, y + i, width, 1);
  }
  context.strokeStyle = SHADE;
  context.lineWidth = 1;
  context.strokeRect(x - 0.5, y - 0.5, width + 1, height + 1);
  const [low, high] = layer.scale;
  const label = { align: "right", baseline: "middle" };
  drawText(context, formatNumber(high), x - 5, y + 3, label);
  drawText(context, formatNumber(low), x - 5, y + height - 3, label);
  if (low < 0 && high > 0) drawText(context, "0", x - 5, y + (height * high) / (high - low), label);
  if (layer.unit) drawText(context, layer.unit, x + width, y - 10, { align: "right" });
}

function drawCross(context, box, x, y) {
  const path = new Path2D();
  const gap = 7;
  for (const [fromX, fromY, toX, toY] of [
    [0, y, x - gap, y],
    [x + gap, y, box.width, y],
    [x, 0, x, y - gap],
    [x, y + gap, x, box.height],
  ]) {
    path.moveTo(fromX, fromY);
    path.lineTo(toX, toY);
  }
  context.strokeStyle = "rgba(233, 237, 243, 0.45)";
  context.lineWidth = 1;
  context.stroke(path);
}

function drawDivider(context, box, x, color) {
  context.fillStyle = color;
  context.fillRect(x - 1, 0, 2, box.height);
  context.beginPath();
  context.arc(x, box.height / 2, 11, 0, 2 * Math.PI);
  context.fill();
  context.strokeStyle = "#fff";
  context.lineWidth = 1.6;
  context.beginPath();
  for (const side of [-1, 1]) {
    context.moveTo(x + side * 3, box.height / 2 - 4);
    context.lineTo(x + side * 7, box.height / 2);
    context.lineTo(x + side * 3, box.height / 2 + 4);
  }
  context.stroke();
}

function formatNumber(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000 || size < 0.001) return value.toPrecision(3);
  return Number(value.toPrecision(3)).toString();
}
