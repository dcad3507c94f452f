import { createContext } from 'react-router';
import type { Ringback } from 'ringback';

export const ringbackContext = createContext<Ringback>();
