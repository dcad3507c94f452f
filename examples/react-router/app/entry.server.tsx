/** Rendering. Without a file of this name, the build would add a package to the app. */
import { renderToReadableStream } from 'react-dom/server';
import { ServerRouter, type EntryContext } from 'react-router';

// oxlint-disable-next-line max-params -- React Router calls it so
export default async function render(
  request: Request,
  status: number,
  headers: Headers,
  context: EntryContext,
): Promise<Response> {
  const html = await renderToReadableStream(<ServerRouter context={context} url={request.url} />);
  headers.set('content-type', 'text/html');
  return new Response(html, { status, headers });
}
