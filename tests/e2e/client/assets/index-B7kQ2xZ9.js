document.getElementById("root").textContent = "A built client";
