import { type Key, useInput } from 'ink';
import type { KeyName } from '../model/keys.js';

/** Calls `onKey` for each key pressed, by its name. */
export function useKeys(onKey: (key: KeyName) => void): void {
  useInput((input, key) => {
    for (const name of keyNames(input, key)) onKey(name);
  });
}

const named: readonly (readonly [keyof Key, KeyName])[] = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['leftArrow', 'left'],
  ['rightArrow', 'right'],
  ['pageUp', 'pageup'],
  ['pageDown', 'pagedown'],
  ['home', 'home'],
  ['end', 'end'],
  ['return', 'enter'],
  ['escape', 'escape'],
  ['backspace', 'backspace'],
  ['delete', 'backspace'],
];

/** Keys typed fast, or pasted, arrive as one text: each character is a key. */
export function keyNames(input: string, key: Key): readonly KeyName[] {
  if (key.tab) return [key.shift ? 'shift-tab' : 'tab'];
  const special = named.find(([name]) => key[name]);
  if (special !== undefined) return [special[1]];
  if (key.ctrl) return [`ctrl-${input}`];
  const characters = [...input].map((char) =>
    char === ' ' ? 'space' : char === '\r' || char === '\n' ? 'enter' : char,
  );
  // Escape and the key after it arrive as one where the line is slow; Alt with a key means nothing here.
  return key.meta ? ['escape', ...characters] : characters;
}
