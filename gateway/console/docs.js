/* Swagger UI, from the package that the gateway installs, over the gateway's own document. */
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: false });
