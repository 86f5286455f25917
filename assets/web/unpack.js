// Reads packages: a header of JSON and the contents of buffers, compressed by gzip; in a page
// as base64.

/** The version of the format that is read. */
export const VERSION = 1;

/** Reads a package, or the one in a page. */
export async function unpack(source) {
  let bytes = source instanceof ArrayBuffer ? new Uint8Array(source) : source;
  if (!(bytes instanceof Uint8Array)) {
    const found = await fetch(source);
    if (!found.ok) throw new Error(`${source}: the server says ${found.status} ${found.statusText}`);
    bytes = new Uint8Array(await found.arrayBuffer());
  }
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) {
    const found = new TextDecoder().decode(bytes).match(/<script id="package"[^>]*>\s*([A-Za-z0-9+/=]+)\s*</);
    if (!found) throw new Error("expected a page or a package of `wgrad export --format web`, and this is neither");
    bytes = fromBase64(found[1]);
  }
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const all = await new Response(stream).arrayBuffer();
  if (all.byteLength < 12 || new TextDecoder().decode(all.slice(0, 8)) !== "wgradweb") {
    throw new Error("expected a package of `wgrad export --format web`, and this is another file");
  }
  const length = new DataView(all).getUint32(8, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(all, 12, length)));
  if (header.version !== VERSION) {
    throw new Error(`a package of version ${header.version}; this player reads version ${VERSION}: take the player beside it`);
  }
  return { header, blob: all.slice(Math.ceil((12 + length) / 16) * 16) };
}

/** The bytes of base64. */
export function fromBase64(text) {
  return Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
}

/** The number that 16 bits are. */
export function halfToFloat(bits) {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -24 * fraction;
}
