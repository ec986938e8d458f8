// Saves what is on the screen as one PNG, with titles and the research notice in its corner.

function exportCanvas(viewer) {
  const columns = Math.min(viewer.header.columns, viewer.panels.length);
  const rows = Math.ceil(viewer.panels.length / columns);
  const ratio = viewer.panels[0].ratio || 1;
  const [gap, head, foot] = [6 * ratio, 24 * ratio, 22 * ratio];
  const [width, height] = [viewer.panels[0].canvas.width, viewer.panels[0].canvas.height];
  const canvas = document.createElement("canvas");
  canvas.width = columns * width + (columns - 1) * gap;
  canvas.height = rows * (height + head) + (rows - 1) * gap + foot;
  const context = canvas.getContext("2d");
  context.fillStyle = "#0b0e13";
  context.fillRect(0, 0, canvas.width, canvas.height);
  viewer.panels.forEach((panel, index) => {
    const x = (index % columns) * (width + gap);
    const y = Math.floor(index / columns) * (height + head + gap);
    context.font = `600 ${12 * ratio}px ${viewer.font}`;
    context.fillStyle = INK;
    context.textBaseline = "middle";
    context.fillText(panel.meta.title, x + 8 * ratio, y + head / 2, width - 16 * ratio);
    context.drawImage(panel.canvas, x, y + head);
  });
  context.font = `500 ${11 * ratio}px ${viewer.font}`;
  context.fillStyle = "#e5b567";
  context.textAlign = "right";
  context.fillText(viewer.header.notice, canvas.width - 8 * ratio, canvas.height - foot / 2);
  return canvas;
}

function savePng(viewer) {
  exportCanvas(viewer).toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `hilum-${viewer.header.key}.png`.replace(/[^\w.-]+/g, "-");
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 5000);
  }, "image/png");
}
