/** Gossip keys in hex: of AES-128, AES-192 and AES-256. */
export const key128 = '000102030405060708090a0b0c0d0e0f';
export const key192 = `${key128}1011121314151617`;
export const key256 = `${key192}18191a1b1c1d1e1f`;
