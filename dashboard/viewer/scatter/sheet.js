// Brings the sheet of small pictures into the page once, for the scatters that show them.

export default function ({ data }) {
  const length = new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
  const sheets = (globalThis.hilumSheets ??= new Map());
  if (sheets.has(header.name)) return;
  sheets.set(header.name, null);
  createImageBitmap(new Blob([data.subarray(4 + length)], { type: "image/jpeg" })).then(
    (picture) => {
      for (const [name, old] of sheets) {
        if (name !== header.name && sheets.size > 3) {
          old?.close();
          sheets.delete(name);
        }
      }
      sheets.set(header.name, picture);
    },
    () => sheets.delete(header.name),
  );
}
