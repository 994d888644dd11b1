// Returns the similarity of two pictures: the correlation of the brightness of their cells. A cell has 32 by 32 pixels of the page,
// so that a line of words is a shade of grey in any font. 1 for equal pictures, about 0 for unrelated ones.
async (one, other) => {
  const brightness = async (png) => {
    const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
    const canvas = new OffscreenCanvas(Math.ceil(picture.width / 8), Math.ceil(picture.height / 8));
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const cells = Array.from({ length: data.length / 4 }, (_, cell) => data[4 * cell] + data[4 * cell + 1] + data[4 * cell + 2]);
    const mean = cells.reduce((sum, cell) => sum + cell, 0) / cells.length;
    return cells.map((cell) => cell - mean);
  };
  const [left, right] = [await brightness(one), await brightness(other)];
  const product = (a, b) => a.reduce((sum, cell, at) => sum + cell * b[at], 0);
  return left.length === right.length ? product(left, right) / Math.sqrt(product(left, left) * product(right, right)) : 0;
}
