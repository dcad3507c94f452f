/** A flame graph as one HTML file that needs nothing else: data, script and style are inside. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Frame } from './cpu-profile.ts';

const D3 = '../../node_modules/d3/dist/d3.min.js';
const FLAME_GRAPH = '../../node_modules/d3-flame-graph/dist/d3-flamegraph.umd.min.js';
const STYLE = '../../node_modules/d3-flame-graph/dist/d3-flamegraph.css';

export async function flameGraph(title: string, root: Frame): Promise<string> {
  const [d3, graph, style] = await Promise.all(
    [D3, FLAME_GRAPH, STYLE].map((path) => readFile(fileURLToPath(new URL(path, import.meta.url)), 'utf8')),
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escaped(title)}</title>
<style>${style}
body { font: 14px system-ui, sans-serif; margin: 1rem; }
input { font: inherit; width: 20rem; }
#details { min-height: 1.5em; }
</style>
<h1>${escaped(title)}</h1>
<p><input type="search" placeholder="find a function" aria-label="find a function"> Click to zoom; the width is time, waiting left out.</p>
<div id="chart"></div>
<p id="details"></p>
<script>${asScript(d3 ?? '')}</script>
<script>${asScript(graph ?? '')}</script>
<script>
const chart = flamegraph.default().inverted(true).width(Math.max(800, innerWidth - 40)).cellHeight(18).minFrameSize(1).selfValue(false);
chart.setDetailsElement(document.getElementById('details'));
chart.label((frame) => frame.data.name + ' ' + (frame.value / 1000).toFixed(1) + ' ms, ' + (100 * frame.value / data.value).toFixed(2) + ' %');
const data = ${asScript(JSON.stringify(root))};
d3.select('#chart').datum(data).call(chart);
document.querySelector('input').addEventListener('input', (event) => event.target.value === '' ? chart.clear() : chart.search(event.target.value));
</script>
</html>
`;
}

/** Nothing inside may end the script element. */
function asScript(text: string): string {
  return text.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
