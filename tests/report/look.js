// What is wrong with the page as it is shown now; the value is an object for browser.py.
(() => {
  const problems = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const name = (element) => `${element.tagName.toLowerCase()}${element.id ? '#' + element.id : ''} ${(element.textContent || '').trim().slice(0, 60)}`;
  const isHidden = (element) => element.closest('[aria-hidden=true], .visually-hidden, .quiet, .skip, .defs') !== null;

  // Wider than the window.
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) problems.push(`the page is ${document.documentElement.scrollWidth} wide, the window ${width}`);
  for (const element of all('body *')) {
    const box = element.getBoundingClientRect();
    if (!isHidden(element) && !element.closest('svg, thead') && box.width > 0 && (box.right > width + 1 || box.left < -1)) problems.push(`sticks out: ${name(element)}`);
  }

  // Contrast of text against what it stands on (WCAG 2.2, 1.4.3), and its size.
  const channels = (color) => color.match(/[\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = channels(color).map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      const [, , , alpha = 1] = channels(color);
      if (alpha === 1) return color;
    }
    return getComputedStyle(document.documentElement).colorScheme.includes('dark') && matchMedia('(prefers-color-scheme: dark)').matches ? 'rgb(18,18,18)' : 'rgb(255,255,255)';
  };
  for (const element of all('body *')) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!hasText || element.closest('.visually-hidden, .quiet, .skip, .defs, title')) continue;
    const style = getComputedStyle(element);
    const color = element.closest('svg') ? style.fill : style.color;
    const size = parseFloat(style.fontSize);
    const [a, b] = [light(color), light(ground(element))].sort((x, y) => y - x);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if ((a + 0.05) / (b + 0.05) < (isLarge ? 3 : 4.5)) problems.push(`contrast ${((a + 0.05) / (b + 0.05)).toFixed(2)}: ${name(element)}`);
    if (size < 12) problems.push(`${size} px is too small: ${name(element)}`);
  }

  // Structure.
  if (!document.documentElement.lang) problems.push('no language');
  if (!document.title) problems.push('no title');
  for (const landmark of ['header', 'main', 'footer']) if (all(landmark).length !== 1) problems.push(`${all(landmark).length} of ${landmark}`);
  let level = 0;
  for (const heading of all('h1, h2, h3, h4, h5, h6')) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) problems.push(`a level of headings is left out: ${name(heading)}`);
    if (!heading.textContent.trim()) problems.push('an empty heading');
    level = own;
  }
  if (all('h1').length !== 1) problems.push(`${all('h1').length} h1`);
  for (const table of all('table')) {
    if (!table.caption) problems.push('a table without a caption');
    const columns = table.tHead.rows[0].cells.length;
    for (const cell of table.tHead.rows[0].cells) if (cell.scope !== 'col' || !cell.textContent.trim()) problems.push(`a heading of no column: ${name(cell)}`);
    for (const row of table.tBodies[0].rows) if (row.cells.length !== columns || row.cells[0].scope !== 'row') problems.push(`a row of another form: ${name(row)}`);
  }
  for (const drawing of all('svg')) {
    const isNamed = drawing.getAttribute('role') === 'img' && drawing.getAttribute('aria-label');
    if (!isNamed && !isHidden(drawing) && !drawing.parentElement.closest('svg')) problems.push(`a drawing without a name: ${name(drawing)}`);
  }
  const ids = all('[id]').map((element) => element.id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) problems.push(`${id} stands twice`);
  for (const link of all('a')) if (!document.getElementById(link.getAttribute('href').slice(1))) problems.push(`leads nowhere: ${name(link)}`);
  for (const use of all('use')) if (!document.getElementById(use.getAttribute('href').slice(1))) problems.push(`no such shape: ${use.getAttribute('href')}`);
  for (const list of all('ul, ol')) if ([...list.children].some((child) => child.tagName !== 'LI')) problems.push(`what is no item stands in a list: ${name(list)}`);

  return { problems: [...new Set(problems)].slice(0, 40), resources: performance.getEntriesByType('resource').map((entry) => entry.name), height: document.documentElement.scrollHeight, scripts: all('script').length };
})()
