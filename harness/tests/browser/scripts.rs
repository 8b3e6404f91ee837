//! Expressions that the tests evaluate in the page.

/// The words that stand on two lines although one has room for them.
pub(crate) const BROKEN_WORDS: &str = r"
(() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const block = node.parentElement.closest('p, li, td, th, dd, dt, pre, h1, h2, h3, summary, a, label, div');
    if (!node.parentElement.checkVisibility() || node.parentElement.closest('.log, .rules, .evidence pre')) continue;
    for (const word of node.data.matchAll(/\S+/g)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const boxes = [...range.getClientRects()];
      const lines = new Set(boxes.map(it => Math.round(it.top)));
      const width = boxes.reduce((sum, it) => sum + it.width, 0);
      if (lines.size > 1 && width < block.clientWidth * 0.7) found.push(word[0].slice(0, 80));
    }
  }
  return found;
})()";

/// The contrast of every text that is shown, the worst first: its ratio and the text.
pub(crate) const CONTRASTS: &str = r"
(() => {
  const parse = text => (text.match(/[\d.]+/g) || []).map(Number);
  const light = rgb => {
    const [r, g, b] = rgb.map(it => it / 255)
      .map(it => it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const solid = text => { const it = parse(text); return it.length == 3 || it[3] == 1; };
  const behind = element => {
    for (let it = element; it; it = it.parentElement) {
      const color = getComputedStyle(it).backgroundColor;
      if (solid(color)) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [color, ground] = [style.color, behind(element)];
    const [a, b] = [light(parse(color).slice(0, 3)), light(parse(ground).slice(0, 3))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push([ratio, `${color} on ${ground}: ${walker.currentNode.data.slice(0, 60)}`]);
  }
  return found.sort((a, b) => a[0] - b[0]).slice(0, 400);
})()";

/// Everything that takes the focus and is shown. Of the tabs it is one: arrows lead to the others.
pub(crate) const INTERACTIVE: &str = "[...document.querySelectorAll('a[href], summary, input')]
    .filter(it => it.checkVisibility() && (it.type != 'radio' || it.id == document.querySelector('input').id))";
