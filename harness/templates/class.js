const rank = row => row.dataset.k * 1e6 + Number(row.id.slice(1));
const source = new EventSource('/events?v=' + document.body.dataset.v);
source.onopen = () => document.body.classList.remove('lost');
source.onerror = () => document.body.classList.add('lost');
source.addEventListener('reload', () => location.reload());
source.onmessage = event => {
  const focused = document.activeElement.closest('[id]')?.id;
  const fresh = document.createElement('template');
  fresh.innerHTML = event.data;
  const rows = document.querySelector('tbody');
  for (const element of [...fresh.content.children]) {
    const old = document.getElementById(element.id);
    if (old) old.replaceWith(element); else rows.append(element);
  }
  document.title = document.querySelector('h1').textContent + ' · meshcheck';
  [...rows.children].sort((one, other) => rank(one) - rank(other)).forEach((row, at) => {
    if (rows.children[at] !== row) rows.insertBefore(row, rows.children[at]);
  });
  if (focused && !document.activeElement.closest('[id]')) document.getElementById(focused)?.querySelector('a')?.focus();
};
