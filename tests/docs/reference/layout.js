// Returns the layout faults of a page, one line of text for each.
(() => {
  const faults = [];
  // A phone scales a page that is too wide down to the screen, which makes the text too small to read.
  const screen = document.documentElement.clientWidth;
  const wide = document.documentElement.scrollWidth - screen;
  if (wide > 0) faults.push(`the page is ${wide} px wider than the screen`);

  const luminance = ([red, green, blue]) => {
    const linear = [red, green, blue].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const parts = (color) => color.match(/[\d.]+/g).map(Number);
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parts(getComputedStyle(at).backgroundColor);
      if (color[3] !== 0) return color;
    }
    return [255, 255, 255];
  };

  const boxes = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode;
    const text = node.textContent.trim();
    const element = node.parentElement;
    const range = document.createRange();
    range.selectNodeContents(node);
    const rects = text ? [...range.getClientRects()].filter((rect) => rect.width && rect.height) : [];
    if (!rects.length) continue;

    const shades = [parts(getComputedStyle(element).color), background(element)].map(luminance).sort((a, b) => b - a);
    const contrast = (shades[0] + 0.05) / (shades[1] + 0.05);
    if (contrast < 4.5) faults.push(`"${text.slice(0, 40)}" has a contrast of ${contrast.toFixed(1)}`);

    const scrolls = element.closest("pre");
    for (const rect of rects) {
      if (!scrolls && (rect.left < 0 || rect.right > screen + 1)) {
        faults.push(`"${text.slice(0, 40)}" extends beyond the screen`);
      }
      if (element.closest("main")) boxes.push({ rect, text });
    }
  }

  // Lines of text may touch, but must not overlap.
  boxes.sort((a, b) => a.rect.top - b.rect.top);
  boxes.forEach((one, index) => {
    for (const other of boxes.slice(index + 1)) {
      if (other.rect.top > one.rect.bottom - 4) break;
      const across = Math.min(one.rect.right, other.rect.right) - Math.max(one.rect.left, other.rect.left);
      const down = Math.min(one.rect.bottom, other.rect.bottom) - other.rect.top;
      if (across > 2 && down > 4) faults.push(`"${one.text.slice(0, 40)}" overlaps "${other.text.slice(0, 40)}"`);
    }
  });
  return faults;
})();
