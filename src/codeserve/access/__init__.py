"""Who calls and what they may do: principals, the table of roles and routes, bearer tokens of an identity provider."""
