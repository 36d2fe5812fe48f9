// Keeps a participant's random name in a cookie for a year, so that a reload finds the answers again.

export default function ({ data }) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${data.name}=${data.value}; Path=/; Max-Age=31536000; SameSite=Strict${secure}`;
}
