// An OpenID Connect provider for tests: whoever types a name is signed in under it, so it must never be reached by people.
// Environment: PORT, ISSUER, CLIENT_ID, CLIENT_SECRET, CALLBACK. "unverified-NAME" is NAME with an e-mail address that nobody has verified.
import Provider from "oidc-provider";

const { PORT, ISSUER, CLIENT_ID, CLIENT_SECRET, CALLBACK, HOST = "0.0.0.0" } = process.env;

function person(sub) {
  const verified = !sub.startsWith("unverified-");
  const name = sub.replace("unverified-", "");
  return { sub, preferred_username: name, email: `${name}@shop.example`, email_verified: verified };
}

const provider = new Provider(ISSUER, {
  clients: [
    {
      client_id: CLIENT_ID,
      client_secret: CLIENT_SECRET,
      redirect_uris: [CALLBACK],
      grant_types: ["authorization_code"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_post",
    },
  ],
  claims: { openid: ["sub"], profile: ["preferred_username"], email: ["email", "email_verified"] },
  findAccount: (context, sub) => ({ accountId: sub, claims: () => person(sub) }),
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true } },
});
provider.listen(Number(PORT), HOST, () => console.log(`provider listens as ${ISSUER}`));
