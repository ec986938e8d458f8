// The gallery: a listbox of pictures. Pictures arrive behind a JSON header in one block of bytes.

const galleries = new WeakMap();

class Gallery {
  constructor(root) {
    this.root = root;
    this.root.setAttribute("role", "listbox");
    this.root.setAttribute("aria-label", "Pictures");
    this.urls = [];
    this.digest = "";
    this.pick = () => {};
    this.root.addEventListener("click", (event) => this.onClick(event));
    this.root.addEventListener("keydown", (event) => this.onKey(event));
  }

  update(bytes, pick) {
    this.pick = pick;
    const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    this.root.style.setProperty("--size", `${header.size}px`);
    this.root.style.maxHeight = header.height ? `${header.height}px` : "";
    if (header.digest !== this.digest) this.draw(header, bytes.subarray(4 + length));
    this.select(header.selected);
  }

  draw(header, pictures) {
    const old = this.urls;
    this.urls = [];
    this.digest = header.digest;
    const cells = header.items.map((item, index) => this.cell(item, index, pictures));
    this.root.replaceChildren(...cells);
    this.root.dataset.ready = header.digest;
    setTimeout(() => old.forEach((url) => URL.revokeObjectURL(url)), 1000);
  }

  cell(item, index, pictures) {
    const cell = document.createElement("button");
    cell.type = "button";
    cell.className = "cell";
    cell.dataset.index = index;
    cell.setAttribute("role", "option");
    cell.tabIndex = index === 0 ? 0 : -1;
    cell.title = [item.caption, item.detail].filter(Boolean).join("\n");
    cell.style.setProperty("--class", item.color || "transparent");
    const frame = document.createElement("span");
    frame.className = "frame";
    if (item.length) {
      const url = URL.createObjectURL(new Blob([pictures.subarray(item.offset, item.offset + item.length)]));
      this.urls.push(url);
      const image = document.createElement("img");
      image.src = url;
      image.alt = item.caption;
      image.decoding = "async";
      frame.append(image);
    }
    if (item.badge) frame.append(text("badge", item.badge));
    cell.append(frame, text("caption", item.caption));
    if (item.detail) cell.append(text("detail", item.detail));
    return cell;
  }

  select(index) {
    for (const cell of this.root.children) {
      const chosen = Number(cell.dataset.index) === index;
      cell.setAttribute("aria-selected", String(chosen));
      if (chosen) this.rove(cell);
    }
  }

  rove(cell) {
    for (const other of this.root.children) other.tabIndex = -1;
    cell.tabIndex = 0;
  }

  onClick(event) {
    const cell = event.target.closest(".cell");
    if (!cell) return;
    this.select(Number(cell.dataset.index)); // at once: the server's answer comes later
    this.pick(Number(cell.dataset.index));
  }

  onKey(event) {
    const cells = [...this.root.children];
    const at = cells.indexOf(event.target.closest(".cell"));
    if (at < 0) return;
    const perRow = Math.max(1, cells.filter((cell) => cell.offsetTop === cells[0].offsetTop).length);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -perRow, ArrowDown: perRow };
    let next = null;
    if (event.key in steps) next = at + steps[event.key];
    else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = cells.length - 1;
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    const target = cells[Math.min(cells.length - 1, Math.max(0, next))];
    this.rove(target);
    target.focus();
  }
}

function text(name, content) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = content;
  return element;
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".gallery");
  let gallery = galleries.get(root);
  if (!gallery) {
    gallery = new Gallery(root);
    galleries.set(root, gallery);
  }
  try {
    gallery.update(data, (index) => setTriggerValue("pick", index));
  } catch (error) {
    console.error(error);
    root.textContent = "These pictures could not be shown.";
  }
  return () => gallery.urls.forEach((url) => URL.revokeObjectURL(url));
}
