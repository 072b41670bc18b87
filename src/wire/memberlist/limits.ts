/** The bounds of the memberlist protocol, each with where it comes from. "Ours" are stricter than any Go peer's. */

const mebibyte = 1024 * 1024;

/** Application bytes about a node; memberlist's MetaMaxSize. */
export const metaBytesMax = 512;
/** What a datagram should stay within; memberlist's UDPBufferSize. */
export const udpBufferBytes = 1400;
/** The largest datagram read; memberlist's UDP receive buffer. */
export const udpPacketBytesMax = 65_536;
/** One packet over distcache-go's TCP transport. Ours: its engine packs up to 10 MiB and sets no bound on reading. */
export const tcpPacketBytesMax = 16 * mebibyte;

/** The count of a compound's parts is one byte. */
export const compoundPartsMax = 255;
/** The length of a compound's part is two bytes. */
export const compoundPartBytesMax = 65_535;
/** The length of a label is one byte. */
export const labelBytesMax = 255;

/** The sealed payload of a stream; memberlist since 0.2. */
export const sealedStreamBytesMax = 20 * mebibyte;
/** The application's state in a push/pull; memberlist since 0.6.0. */
export const userStateBytesMax = 20 * mebibyte;
/** An application's message over a stream; memberlist after 0.6.0. */
export const userMessageBytesMax = 20 * mebibyte;
/** What a compressed message may inflate to; memberlist after 0.6.0. */
export const inflatedBytesMax = 40 * mebibyte;
/** Nodes of a push/pull; memberlist since 0.6.0. */
export const pushPullNodesMax = 1_048_576;

/** Bytes of a stream in the clear that are held while it arrives. Ours: Go reads on until its deadline. */
export const plainStreamBytesMax = inflatedBytesMax;
/**
 * Nodes of a push/pull that are read unless told otherwise. Ours: an entry of three bytes becomes an object of some two
 * hundred, so at `pushPullNodesMax` a stranger could make us hold a quarter of a gigabyte for a few of his megabytes.
 */
export const pushPullNodesRead = 65_536;
/** One header or node state within a stream. Ours: far above a name, an address and `metaBytesMax`. */
export const streamStructBytesMax = 65_536;
/** What the compressed parts of one datagram may inflate to together. Ours: senders compress what would have fit plain. */
export const udpInflatedBytesMax = mebibyte;
/** Compounds and compressions within each other. Ours: Go senders nest two, and Go receivers know no bound. */
export const wrapperDepthMax = 8;
/** Messages of one packet. Ours: Go senders put 255 parts into a packet. */
export const packetMessagesMax = 4096;
/** Parts of one packet that cannot be read, before the rest of it is left unread. Ours. */
export const packetFaultsMax = 64;
/** Entries of a map or array that stands for a struct. Ours: the largest struct has eight fields. */
export const structEntriesMax = 32;
/**
 * Bytes that are written as an array of numbers. Ours: Go reads them so, but never writes them. Such an array has to be
 * walked again whenever more of a stream arrives, where bytes as such are passed over in one step.
 */
export const byteArrayMax = 4096;
/** Values, nested ones included, within one unknown field that is passed over. Ours. */
export const skippedValuesMax = 128;

/** Keys in a ring. Ours: every key is tried on every packet that none opens. */
export const keysMax = 16;
