/** Asks for the API key, where the demo can be reached from elsewhere and the server wants to know who plays with it. */
import { KeyRound } from 'lucide-react';
import { useState, useSyncExternalStore, type SubmitEvent } from 'react';
import { apiKey } from '../shop/api-key.ts';

export function ApiKeyForm() {
  const isWanted = useSyncExternalStore(apiKey.subscribe, apiKey.isWanted);
  const [text, setText] = useState('');
  if (!isWanted) return null;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    apiKey.set(text.trim());
    setText('');
  };
  return (
    <form className="card key-form" onSubmit={submit}>
      <div>
        <h2>
          <KeyRound aria-hidden /> This demo needs the API key
        </h2>
        <p>
          The server can be reached from other machines. Its key is in the file that it names when it starts, or in
          RINGBACK_API_KEY.
        </p>
      </div>
      <label>
        API key
        <input
          type="password"
          autoComplete="off"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          required
          data-testid="api-key"
        />
      </label>
      <button type="submit" className="button is-primary">
        Use this key
      </button>
    </form>
  );
}
