// Brings a vendored library onto a page that needs it, and only there.

const loaded = new Map();

/** Resolves when the script at this address has run. */
export function library(address) {
  if (!loaded.has(address)) {
    loaded.set(address, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.addEventListener("load", resolve);
      script.addEventListener("error", () => reject(new Error(`${address} could not be fetched`)));
      document.head.append(script);
    }));
  }
  return loaded.get(address);
}
