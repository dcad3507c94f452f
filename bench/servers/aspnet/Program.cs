// POST /send/<id> -> one invocation on the connection of that id, found in a dictionary. Counts what browsers answer.
// And the calls of --signalr: an echo, a broadcast, and a message to one user.
using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.SignalR;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.ClearProviders();
builder.Services.AddSingleton<IUserIdProvider, UserIds>();
builder.Services.AddSignalR();
var app = builder.Build();

app.MapHub<PageHub>("/hub");
app.MapPost("/send/{id}", async (string id, JsonElement body, IHubContext<PageHub> hub) =>
{
    if (!PageHub.Pages.TryGetValue(id, out var connection)) return Results.NotFound();
    await hub.Clients.Client(connection).SendAsync("message", body);
    return Results.Accepted();
});
app.MapGet("/acks", (HttpContext context) =>
{
    var text = Volatile.Read(ref PageHub.Acks).ToString();
    context.Response.ContentLength = text.Length;
    return context.Response.WriteAsync(text);
});

await app.StartAsync();
Console.WriteLine($"aspnet listening on {app.Urls.First()}");
await app.WaitForShutdownAsync();

class PageHub : Hub
{
    public static readonly ConcurrentDictionary<string, string> Pages = new();
    public static long Acks;

    string Page => Context.GetHttpContext()!.Request.Query["page"].ToString();

    public override Task OnConnectedAsync()
    {
        Pages[Page] = Context.ConnectionId;
        return Task.CompletedTask;
    }

    public override Task OnDisconnectedAsync(Exception? exception)
    {
        Pages.TryRemove(KeyValuePair.Create(Page, Context.ConnectionId));
        return Task.CompletedTask;
    }

    public void Ack(long sequence) => Interlocked.Increment(ref Acks);

    public string Echo(string text) => text;
    public Task Broadcast(string text) => Clients.All.SendAsync("message", text);
    public Task Tell(string user, string text) => Clients.User(user).SendAsync("message", text);
}

class UserIds : IUserIdProvider
{
    public string? GetUserId(HubConnectionContext connection) => connection.GetHttpContext()!.Request.Query["user"];
}
