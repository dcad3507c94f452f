/** What the servers of the examples serve: one page, and its script. */
import { bundle } from '../bundle.ts';

export const html = `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <title>Checkout</title>
  <link rel="icon" href="data:,">
  <h1 role="status">Ordering</h1>
  <script type="module" src="/page.js"></script>
</html>`;

export const script = await bundle(new URL('page.ts', import.meta.url));
